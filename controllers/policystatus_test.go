package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

var testSettings = policy.Settings{RootNamespace: "warifu-system", TrustDomain: "cluster.local", ClusterDomain: "cluster.local"}

// stored is a Reader of one PeerAuthentication.
type stored struct{ policy v1alpha1.PeerAuthentication }

func (s *stored) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s.policy.DeepCopyInto(into.(*v1alpha1.PeerAuthentication))
	return nil
}

// applied counts what is written, and stores it.
type applied struct {
	writes int
	to     *stored
}

func (a *applied) Apply(_ context.Context, config runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
	a.writes++
	var got v1alpha1.PeerAuthentication
	fields := config.(interface{ UnstructuredContent() map[string]any }).UnstructuredContent()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &got); err != nil {
		return err
	}
	a.to.policy.Status = got.Status
	return nil
}

// undelivered says of every pod that it does not know its modes.
type undelivered struct{}

func (undelivered) Delivered(client.ObjectKey) bool { return false }

// newStatusTest is a reconciler over one PeerAuthentication that the index has seen.
func newStatusTest(generation int64) (*PolicyStatus, *applied, *events.FakeRecorder) {
	reader := &stored{v1alpha1.PeerAuthentication{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", Generation: generation, CreationTimestamp: metav1.NewTime(time.Unix(10, 0))},
		Spec:       v1alpha1.PeerAuthenticationSpec{MTLS: &v1alpha1.MutualTLS{Mode: v1alpha1.MutualTLSStrict}},
	}}
	index := policy.NewIndex(testSettings)
	feed := NewIndexFeed(index, testSettings, nil)
	index.SetPeerAuthentication(&reader.policy)
	feed.observe(v1alpha1.KindPeerAuthentication, &reader.policy, &policy.Change{})
	writer, recorder := &applied{to: reader}, events.NewFakeRecorder(10)
	return &PolicyStatus{
		Reader: reader, Status: writer, Events: recorder, Index: index, Feed: feed, Deliveries: undelivered{}, Proxies: unreported{},
		Clock: testingclock.NewFakePassiveClock(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)),
	}, writer, recorder
}

func TestStatusIsWrittenOnce(t *testing.T) {
	r, writer, _ := newStatusTest(3)
	for range 3 {
		if _, err := r.Reconcile(t.Context(), ref("a")); err != nil {
			t.Fatal(err)
		}
	}
	if writer.writes != 1 {
		t.Errorf("%d writes, want 1", writer.writes)
	}
	if got := writer.to.policy.Status.ObservedGeneration; got != 3 {
		t.Errorf("observed generation %d, want 3", got)
	}
}

func TestStatusWaitsForTheIndex(t *testing.T) {
	r, writer, _ := newStatusTest(1)
	writer.to.policy.Generation = 2 // the cache is ahead
	if _, err := r.Reconcile(t.Context(), ref("a")); err != nil {
		t.Fatal(err)
	}
	if writer.writes != 0 {
		t.Error("wrote what the index says about generation 1 as the status of generation 2")
	}
}

func TestStatusComesBackUntilEveryPodIsTold(t *testing.T) {
	r, writer, _ := newStatusTest(1)
	r.Index.SetWorkload(policy.WorkloadOf(injectedPod("x", nil)))
	r.Feed.observe("Pod", injectedPod("x", nil), &policy.Change{})
	result, err := r.Reconcile(t.Context(), ref("a"))
	if err != nil || result.RequeueAfter == 0 {
		t.Errorf("requeue after %v, error %v", result.RequeueAfter, err)
	}
	if got := writer.to.policy.Status.Conditions[1]; got.Reason != v1alpha1.ReasonPending || got.Message != "delivered to 0 of 1 pod" {
		t.Errorf("got %v", got)
	}
}

func TestPodWithoutModesIsNotWaitedFor(t *testing.T) {
	r, writer, _ := newStatusTest(1)
	r.Index.SetWorkload(policy.Workload{Namespace: "shop", Name: "x", NotProxied: policy.NotProxiedNoDataPlane})
	result, err := r.Reconcile(t.Context(), ref("a"))
	if err != nil || result.RequeueAfter != 0 {
		t.Errorf("requeue after %v, error %v", result.RequeueAfter, err)
	}
	if got := writer.to.policy.Status.Conditions[1]; got.Reason != v1alpha1.ReasonNotEnforced {
		t.Errorf("got %v", got)
	}
}

func TestEventsTellWhatTurnedBad(t *testing.T) {
	r, writer, recorder := newStatusTest(1)
	if _, err := r.Reconcile(t.Context(), ref("a")); err != nil {
		t.Fatal(err)
	}
	older := v1alpha1.PeerAuthentication{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "0", CreationTimestamp: metav1.NewTime(time.Unix(0, 0))},
		Spec:       writer.to.policy.Spec,
	}
	r.Index.SetPeerAuthentication(&older)
	for range 2 {
		if _, err := r.Reconcile(t.Context(), ref("a")); err != nil {
			t.Fatal(err)
		}
	}
	close(recorder.Events)
	var got []string
	for e := range recorder.Events {
		got = append(got, e)
	}
	if len(got) != 1 {
		t.Errorf("%d events, want one about the conflict:\n%s", len(got), cmp.Diff(nil, got))
	}
}

// unreported: no proxy has said anything.
type unreported struct{}

func (unreported) Acknowledged(types.NamespacedName, string) (proxyconfig.AsOf, string) {
	return nil, ""
}
