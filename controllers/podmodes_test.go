package controllers

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
)

// injectedPod is a pod with the data plane none and the annotations.
func injectedPod(name string, annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Annotations: annotations},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "app", Image: "app"}},
			Volumes: []corev1.Volume{
				{Name: naming.VolumeTLS, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: naming.IdentitySecret("default")}}},
				{Name: naming.VolumeMode, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}
}

// pods is a store of pods that patches reach.
type pods struct {
	byName  map[types.NamespacedName]*corev1.Pod
	patches []string
}

func (p *pods) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	found, ok := p.byName[name]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, name.Name)
	}
	found.DeepCopyInto(into.(*corev1.Pod))
	return nil
}

func (p *pods) Patch(_ context.Context, object client.Object, patch client.Patch, _ ...client.PatchOption) error {
	raw, err := patch.Data(object)
	if err != nil {
		return err
	}
	p.patches = append(p.patches, string(raw))
	return json.Unmarshal(raw, p.byName[client.ObjectKeyFromObject(object)])
}

// newModesTest is a reconciler over pods that the index knows.
func newModesTest(limiter *rate.Limiter, all ...*corev1.Pod) (*PodModes, *pods) {
	store := &pods{byName: map[types.NamespacedName]*corev1.Pod{}}
	index := policy.NewIndex(testSettings)
	feed := NewIndexFeed(index, testSettings, nil)
	r := NewPodModes(store, store, index, feed, limiter)
	for _, p := range all {
		store.byName[client.ObjectKeyFromObject(p)] = p
		feed.observe("Pod", p, &policy.Change{})
		feed.publish(index.SetWorkload(policy.WorkloadOf(p)))
	}
	return r, store
}

func (r *PodModes) reconcilePod(ctx context.Context, name string) error {
	_, err := r.Reconcile(ctx, reconcile.Request{NamespacedName: pod(name)})
	return err
}

func TestModesArePatchedWhenTheyDiffer(t *testing.T) {
	r, store := newModesTest(rate.NewLimiter(rate.Inf, 1), injectedPod("x", map[string]string{naming.AnnotationMTLSMode: "STRICT", "mine": "kept"}))
	for range 2 {
		if err := r.reconcilePod(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{naming.AnnotationMTLSMode: "PERMISSIVE", naming.AnnotationClientTLSMode: "ISTIO_MUTUAL", "mine": "kept"}
	if diff := cmp.Diff(want, store.byName[pod("x")].Annotations); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	patch := `{"metadata":{"annotations":{"warifu.dev/client-tls-mode":"ISTIO_MUTUAL","warifu.dev/mtls-mode":"PERMISSIVE"},"uid":"uid-x"}}`
	if diff := cmp.Diff([]string{patch}, store.patches); diff != "" {
		t.Errorf("patches -want +got:\n%s", diff)
	}
	if !r.Delivered(pod("x")) {
		t.Error("not known as delivered")
	}
}

func TestPodsLeftAlone(t *testing.T) {
	plain := injectedPod("x", nil)
	plain.Spec.Volumes = nil
	pretending := injectedPod("x", map[string]string{naming.AnnotationStatus: "{}", naming.AnnotationMTLSMode: "DISABLE"})
	pretending.Spec.Volumes = nil
	finished := injectedPod("x", nil)
	finished.Status.Phase = corev1.PodSucceeded
	for name, p := range map[string]*corev1.Pod{
		"without our volume": plain, "injected by annotation only": pretending, "finished": finished,
	} {
		t.Run(name, func(t *testing.T) {
			r, store := newModesTest(rate.NewLimiter(rate.Inf, 1), p)
			if err := r.reconcilePod(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			if len(store.patches) > 0 || r.Delivered(pod("x")) {
				t.Errorf("patches %v, delivered %v", store.patches, r.Delivered(pod("x")))
			}
		})
	}
}

func TestPodThatIsGoneIsNoError(t *testing.T) {
	r, _ := newModesTest(rate.NewLimiter(rate.Inf, 1))
	if err := r.reconcilePod(t.Context(), "x"); err != nil {
		t.Error(err)
	}
}

// A change for the whole mesh must not flood the API server: only pods that differ take from the bucket, and an empty bucket
// holds the rest back.
func TestPatchesAreRateLimited(t *testing.T) {
	settled := map[string]string{naming.AnnotationMTLSMode: "PERMISSIVE", naming.AnnotationClientTLSMode: "ISTIO_MUTUAL"}
	r, store := newModesTest(rate.NewLimiter(rate.Every(time.Hour), 2),
		injectedPod("settled-1", settled), injectedPod("a", nil), injectedPod("settled-2", settled), injectedPod("b", nil), injectedPod("c", nil))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, name := range []string{"settled-1", "a", "settled-2", "b"} {
		if err := r.reconcilePod(ctx, name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := r.reconcilePod(ctx, "c"); err == nil {
		t.Error("a third patch within the hour was not held back")
	}
	if len(store.patches) != 2 || r.Delivered(pod("c")) {
		t.Errorf("%d patches, want 2; held back counts as delivered: %v", len(store.patches), r.Delivered(pod("c")))
	}
}

func TestRequestsForTheWholeMeshAreThePodsWithModes(t *testing.T) {
	plain := injectedPod("plain", nil)
	plain.Spec.Volumes = nil
	r, _ := newModesTest(nil, injectedPod("x", nil), plain, injectedPod("y", nil))
	r.feed.forget("Pod", pod("y"))
	c := newChangeSet()
	c.allWorkloads = true
	if diff := cmp.Diff([]reconcile.Request{{NamespacedName: pod("x")}}, r.requests(t.Context(), c)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
