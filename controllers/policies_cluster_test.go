package controllers

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// startPolicies runs the policy controllers on the control plane until the test ends.
func startPolicies(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := cluster.Require(t)
	skipNameValidation := true
	mgr, err := ctrl.NewManager(c.Config, ctrl.Options{
		Scheme:     c.Client.Scheme(),
		Logger:     logr.Discard(),
		Metrics:    server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &skipNameValidation},
	})
	if err != nil {
		t.Fatal(err)
	}
	index := policy.NewIndex(testSettings)
	feed := NewIndexFeed(index, testSettings, mgr.GetCache())
	modes := NewPodModes(mgr.GetClient(), mgr.GetClient(), index, feed, rate.NewLimiter(ModePatchRate, ModePatchBurst))
	statuses := &PolicyStatus{
		Reader: mgr.GetClient(), Status: mgr.GetClient().Status(), Events: mgr.GetEventRecorder("warifu"),
		Index: index, Feed: feed, Deliveries: modes, Clock: clock.RealClock{},
	}
	for _, err := range []error{mgr.Add(feed), modes.SetupWithManager(mgr), statuses.SetupWithManager(mgr)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	})
	return c
}

// eventually polls until the condition holds; without it within 30 s the test fails, saying what was seen last.
func eventually(t *testing.T, what string, holds func(context.Context) (seen string, ok bool)) {
	t.Helper()
	eventuallyWithin(t, 30*time.Second, what, holds)
}

// eventuallyWithin is eventually for what takes longer.
func eventuallyWithin(t *testing.T, patience time.Duration, what string, holds func(context.Context) (seen string, ok bool)) {
	t.Helper()
	var seen string
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (ok bool, _ error) {
		seen, ok = holds(ctx)
		return ok, nil
	})
	if err != nil {
		t.Fatalf("%s: still %s", what, seen)
	}
}

// statusIs waits until a policy has a condition "Type=Status Reason: message" and a number of workloads.
func statusIs(t *testing.T, c client.Reader, kind, namespace, name string, workloads int32, want string) {
	t.Helper()
	object, status := policyKinds[kind]()
	eventually(t, kind+" "+name, func(ctx context.Context) (string, bool) {
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
			return err.Error(), false
		}
		kind, _, _ := strings.Cut(want, "=")
		condition := meta.FindStatusCondition(status.Conditions, kind)
		if condition == nil || condition.ObservedGeneration != object.GetGeneration() || status.ObservedGeneration != object.GetGeneration() {
			return "without a current " + kind, false
		}
		seen := condition.Type + "=" + string(condition.Status) + " " + condition.Reason + ": " + condition.Message
		return seen, strings.HasPrefix(seen, want) && status.Workloads == workloads
	})
}

func create(t *testing.T, c client.Client, object client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T: %v", object, err)
	}
}

func peerAuthentication(namespace, name string, mode v1alpha1.MutualTLSMode) *v1alpha1.PeerAuthentication {
	return &v1alpha1.PeerAuthentication{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.PeerAuthenticationSpec{MTLS: &v1alpha1.MutualTLS{Mode: mode}},
	}
}

func podIn(namespace, name string) *corev1.Pod {
	p := injectedPod(name, nil)
	p.Namespace, p.UID = namespace, ""
	return p
}

// annotationsAre waits until a pod has the two modes.
func annotationsAre(t *testing.T, c client.Reader, namespace, name, mode, clientMode string) {
	t.Helper()
	eventually(t, "modes of pod "+name, func(ctx context.Context) (string, bool) {
		var p corev1.Pod
		if err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &p); err != nil {
			return err.Error(), false
		}
		seen := p.Annotations[naming.AnnotationMTLSMode] + " " + p.Annotations[naming.AnnotationClientTLSMode]
		return seen, seen == mode+" "+clientMode
	})
}

func TestModesAndStatusFollowPolicy(t *testing.T) {
	c := startPolicies(t)
	ns := c.Namespace(t, map[string]string{naming.LabelInjection: naming.InjectionEnabled})
	create(t, c.Client, podIn(ns, "a"))
	create(t, c.Client, podIn(ns, "b"))
	annotationsAre(t, c.Client, ns, "a", "PERMISSIVE", "ISTIO_MUTUAL")

	strict := peerAuthentication(ns, "default", v1alpha1.MutualTLSStrict)
	create(t, c.Client, strict)
	statusIs(t, c.Client, v1alpha1.KindPeerAuthentication, ns, "default", 2, "Accepted=True")
	statusIs(t, c.Client, v1alpha1.KindPeerAuthentication, ns, "default", 2, "Programmed=True Delivered: delivered to 2 of 2 pods")
	annotationsAre(t, c.Client, ns, "a", "STRICT", "ISTIO_MUTUAL")
	annotationsAre(t, c.Client, ns, "b", "STRICT", "ISTIO_MUTUAL")

	create(t, c.Client, podIn(ns, "c"))
	statusIs(t, c.Client, v1alpha1.KindPeerAuthentication, ns, "default", 3, "Programmed=True Delivered: delivered to 3 of 3 pods")

	create(t, c.Client, &v1alpha1.DestinationRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "plain"},
		Spec: v1alpha1.DestinationRuleSpec{
			Host: "*", TrafficPolicy: &v1alpha1.TrafficPolicy{TLS: &v1alpha1.ClientTLSSettings{Mode: v1alpha1.ClientTLSDisable}},
		},
	})
	annotationsAre(t, c.Client, ns, "c", "STRICT", "DISABLE")

	if err := c.Client.Delete(t.Context(), strict); err != nil {
		t.Fatal(err)
	}
	annotationsAre(t, c.Client, ns, "c", "PERMISSIVE", "DISABLE")
}

func TestConflictsAreTold(t *testing.T) {
	c := startPolicies(t)
	ns := c.Namespace(t, nil)
	first := peerAuthentication(ns, "a-first", v1alpha1.MutualTLSStrict)
	create(t, c.Client, first)
	create(t, c.Client, peerAuthentication(ns, "b-second", v1alpha1.MutualTLSDisable))

	statusIs(t, c.Client, v1alpha1.KindPeerAuthentication, ns, "a-first", 0, "Conflicted=False NoConflict")
	statusIs(t, c.Client, v1alpha1.KindPeerAuthentication, ns, "b-second", 0, "Conflicted=True "+string(policy.ReasonConflict))
	statusIs(t, c.Client, v1alpha1.KindPeerAuthentication, ns, "b-second", 0, "Accepted=True Accepted")

	if err := c.Client.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	statusIs(t, c.Client, v1alpha1.KindPeerAuthentication, ns, "b-second", 0, "Conflicted=False NoConflict")
}

func TestWhatCannotBeCompiledIsNotAccepted(t *testing.T) {
	c := startPolicies(t)
	ns := c.Namespace(t, nil)
	create(t, c.Client, podIn(ns, "a"))
	create(t, c.Client, &v1alpha1.AuthorizationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "broken"},
		Spec: v1alpha1.AuthorizationPolicySpec{Rules: []v1alpha1.Rule{{
			From: []v1alpha1.From{{Source: &v1alpha1.Source{Principals: []string{"cluster.local/ns/*/sa/x"}}}},
		}}},
	})
	statusIs(t, c.Client, v1alpha1.KindAuthorizationPolicy, ns, "broken", 1, "Accepted=False "+string(policy.ReasonMiddleWildcard))
	statusIs(t, c.Client, v1alpha1.KindAuthorizationPolicy, ns, "broken", 1, "Programmed=False "+v1alpha1.ReasonNotAccepted)
	eventually(t, "events about the policy", func(ctx context.Context) (string, bool) {
		var events corev1.EventList
		if err := c.Client.List(ctx, &events, client.InNamespace(ns)); err != nil {
			return err.Error(), false
		}
		var seen []string
		for _, e := range events.Items {
			seen = append(seen, e.InvolvedObject.Name+" "+e.Reason)
		}
		return strings.Join(seen, ", "), strings.Contains(strings.Join(seen, ", "), "broken "+string(policy.ReasonMiddleWildcard))
	})
}

func TestAuthorizationWithoutProxyIsNotEnforced(t *testing.T) {
	c := startPolicies(t)
	ns := c.Namespace(t, nil)
	create(t, c.Client, podIn(ns, "a"))
	create(t, c.Client, &v1alpha1.AuthorizationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "allow-nothing"}})
	statusIs(t, c.Client, v1alpha1.KindAuthorizationPolicy, ns, "allow-nothing", 1, "Programmed=False NotEnforced: none of the 1 pod selected can enforce this: 1 with data plane none")
}
