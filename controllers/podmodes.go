package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
)

// +kubebuilder:rbac:groups="",resources=pods,verbs=patch

// ModePatchRate and ModePatchBurst bound the patches of PodModes, in patches a second: a change for the whole mesh reaches
// 10,000 pods in a little over three minutes, and the API server hardly notices.
const (
	ModePatchRate  = 50
	ModePatchBurst = 100
)

// PodModes keeps the mode annotations of injected pods current, and with them the downward-API files that applications
// read. It is the only one that changes pods after admission.
type PodModes struct {
	reader    Reader
	writer    Patcher
	index     *policy.Index
	feed      *IndexFeed
	limiter   *rate.Limiter
	delivered *deliveries
}

// withoutWarmup: a queue of pods is not filled before this replica leads, because nothing would ever be taken out of it, and
// it would hold every pod that ever was. Whoever begins to lead looks at all pods that there are, in a cache that is full.
const withoutWarmup = false

// NewPodModes listens to the feed from now on. Make it before whoever asks Delivered, so that a change is known to be
// undelivered before anybody else hears of it.
func NewPodModes(reader Reader, writer Patcher, index *policy.Index, feed *IndexFeed, limiter *rate.Limiter) *PodModes {
	r := &PodModes{reader: reader, writer: writer, index: index, feed: feed, limiter: limiter, delivered: newDeliveries()}
	feed.Listen(r.delivered.invalidate)
	return r
}

// SetupWithManager adds the reconciler to the manager: it looks at a pod when the index says that its modes may have
// changed, and when somebody has changed its annotations.
func (r *PodModes) SetupWithManager(mgr manager.Manager) error {
	c, err := controller.New("pod-modes", mgr, controller.Options{Reconciler: r, EnableWarmup: ptr.To(withoutWarmup)})
	if err != nil {
		return fmt.Errorf("pod modes: %w", err)
	}
	if err := c.Watch(newChangeSource(r.feed, r.requests)); err != nil {
		return err
	}
	return c.Watch(source.Kind(mgr.GetCache(), &corev1.Pod{}, &handler.TypedEnqueueRequestForObject[*corev1.Pod]{},
		predicate.NewTypedPredicateFuncs(hasModes), predicate.TypedAnnotationChangedPredicate[*corev1.Pod]{}))
}

// requests are the pods that a set of changes concerns.
func (r *PodModes) requests(_ context.Context, c changeSet) []reconcile.Request {
	names := c.workloads
	if c.allWorkloads {
		names = r.feed.Injected()
	}
	requests := make([]reconcile.Request, 0, len(names))
	for name := range names {
		requests = append(requests, reconcile.Request{NamespacedName: name})
	}
	return requests
}

// Delivered says whether the pod's annotations are known to say what policy says now.
func (r *PodModes) Delivered(pod types.NamespacedName) bool { return r.delivered.has(pod) }

// Reconcile brings the annotations of one pod up to date.
func (r *PodModes) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	r.delivered.begin(req.NamespacedName)
	upToDate, err := r.update(ctx, req.NamespacedName)
	r.delivered.end(req.NamespacedName, upToDate)
	return reconcile.Result{}, ignoreGone(err)
}

// update patches the pod where it must be, and says whether its annotations are right now.
func (r *PodModes) update(ctx context.Context, name types.NamespacedName) (bool, error) {
	pod := &corev1.Pod{}
	if err := r.reader.Get(ctx, name, pod); err != nil {
		return false, err
	}
	want, ok := r.modes(pod)
	if !ok || current(pod, want) {
		return ok, nil
	}
	if err := r.limiter.Wait(ctx); err != nil {
		return false, fmt.Errorf("waiting to patch the modes of pod %s: %w", name, err)
	}
	if err := r.writer.Patch(ctx, pod, modePatch(pod.UID, want), client.FieldOwner(naming.FieldOwner)); err != nil {
		return false, fmt.Errorf("patching the modes of pod %s: %w", name, err)
	}
	return true, nil
}

// modes are the annotations that the pod should have; false for pods that we have not injected, and finished ones.
func (r *PodModes) modes(pod *corev1.Pod) (map[string]string, bool) {
	name := client.ObjectKeyFromObject(pod)
	if !hasModes(pod) || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return nil, false
	}
	config, ok := r.index.Compile(name)
	workload, known := r.index.Workload(name)
	if !ok || !known {
		return nil, false // the index asks again when it has seen the pod
	}
	return map[string]string{
		naming.AnnotationMTLSMode:      string(config.Inbound.Default.Mode),
		naming.AnnotationClientTLSMode: string(r.index.ClientDefault(workload).Mode),
	}, true
}

// hasModes says whether the pod's spec, which cannot be edited, has the volume of mode files. Annotations prove nothing.
func hasModes(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == naming.VolumeMode })
}

// current says whether the pod has these annotations.
func current(pod *corev1.Pod, want map[string]string) bool {
	for key, value := range want {
		if pod.Annotations[key] != value {
			return false
		}
	}
	return true
}

// modePatch sets annotations on exactly this pod: the uid makes the API server refuse where another one has taken the name.
func modePatch(pod types.UID, annotations map[string]string) client.Patch {
	patch := map[string]any{"metadata": map[string]any{"uid": pod, "annotations": annotations}}
	raw, err := json.Marshal(patch)
	if err != nil {
		panic(fmt.Sprintf("encoding strings cannot fail: %v", err))
	}
	return client.RawPatch(types.MergePatchType, raw)
}

// deliveries remembers which pods are up to date. A change forgets them at once, before anybody acts on it; a check that a
// change overtook does not count, because the change asks for another one.
type deliveries struct {
	mu       sync.Mutex
	checking sets.Set[types.NamespacedName]
	done     sets.Set[types.NamespacedName]
}

func newDeliveries() *deliveries {
	return &deliveries{checking: sets.New[types.NamespacedName](), done: sets.New[types.NamespacedName]()}
}

// invalidate forgets the pods that a change concerns.
func (d *deliveries) invalidate(c policy.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.AllWorkloads {
		clear(d.checking)
		clear(d.done)
		return
	}
	d.checking.Delete(c.Workloads...)
	d.done.Delete(c.Workloads...)
}

// begin starts a check of a pod; until it ends, the last one holds.
func (d *deliveries) begin(pod types.NamespacedName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.checking.Insert(pod)
}

// end ends the check of a pod.
func (d *deliveries) end(pod types.NamespacedName, upToDate bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.checking.Has(pod): // overtaken
	case upToDate:
		d.done.Insert(pod)
	default:
		d.done.Delete(pod)
	}
	d.checking.Delete(pod)
}

func (d *deliveries) has(pod types.NamespacedName) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done.Has(pod)
}
