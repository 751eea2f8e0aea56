package controllers

import (
	"context"
	"fmt"
	"maps"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
)

// +kubebuilder:rbac:groups="",resources=pods;namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create

// How many events a second tell of pods that are not injected, and how many at once before that. A cluster may have
// thousands: the metric counts them at once, and the events follow as they can.
const (
	uninjectedRate  = 5
	uninjectedBurst = 100
	// uninjectedLater is when a pod is looked at again for which there was no event to spare.
	uninjectedLater = 30 * time.Second
)

// UninjectedOptions are what finding uninjected pods depends on.
type UninjectedOptions struct {
	// Injection are the settings that admission injects by.
	Injection inject.Settings
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// SetupUninjected adds the controller that finds pods which are to be injected and are not, because they were created while
// the webhook was away or before their namespace opted in. It writes events, so it runs on the leader only.
//
// Of pods in the manager's cache it needs labels, the annotations of ours and of mirror pods, the controlling owner,
// hostNetwork, os, and the names of containers and volumes.
func SetupUninjected(mgr ctrl.Manager, o UninjectedOptions) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &uninjectedReconciler{
		pods: mgr.GetClient(), events: mgr.GetClient(), injection: o.Injection, now: o.Now,
		limiter: rate.NewLimiter(uninjectedRate, uninjectedBurst),
		lacking: map[types.NamespacedName]lacking{},
	}
	for _, reason := range inject.LackReasons() {
		uninjectedPods.WithLabelValues(string(reason)).Set(0)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("uninjected-pods").
		For(&corev1.Pod{}, builder.WithPredicates(injectionOfPodChanged)).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1, EnableWarmup: ptr.To(withoutWarmup)}).
		Complete(r)
}

// injectionOfPodChanged: the pod is new, went away, or says something else about its injection. Its spec cannot change.
var injectionOfPodChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*corev1.Pod), e.ObjectNew.(*corev1.Pod)
		return before.UID != after.UID || finished(before) != finished(after) ||
			!maps.Equal(before.Labels, after.Labels) || !maps.Equal(before.Annotations, after.Annotations)
	},
}

// uninjectedReconciler counts pods that lack something, and tells each of them once.
type uninjectedReconciler struct {
	pods      podReader // caches
	events    eventCreator
	injection inject.Settings
	limiter   *rate.Limiter
	now       func() time.Time

	// lacking is what was found. There is one worker, so nothing guards it.
	lacking map[types.NamespacedName]lacking
}

// podReader reads pods and their namespaces.
type podReader interface {
	Reader
	List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error
}

// eventCreator writes events whose names we choose; a recorder chooses them itself, anew after each start.
type eventCreator interface {
	Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error
}

// lacking is what is known of one pod.
type lacking struct {
	uid    types.UID
	reason inject.LackReason
	told   bool
}

func (r *uninjectedReconciler) ofNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	var list corev1.PodList
	if err := r.pods.List(ctx, &list, client.InNamespace(namespace.GetName()), client.UnsafeDisableDeepCopy); err != nil {
		// A cache's list fails only while the process stops.
		ctrl.LoggerFrom(ctx).Error(err, "Listing pods")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// Reconcile judges one pod.
func (r *uninjectedReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	pod := &corev1.Pod{}
	lack, err := r.lackOf(ctx, request.NamespacedName, pod)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !r.record(request.NamespacedName, pod.UID, lack) {
		return ctrl.Result{}, nil
	}
	if !r.limiter.AllowN(r.now(), 1) {
		return ctrl.Result{RequeueAfter: uninjectedLater}, nil
	}
	return ctrl.Result{}, r.tell(ctx, pod, *lack)
}

// lackOf reads the pod and its namespace; without either nothing is lacking.
func (r *uninjectedReconciler) lackOf(ctx context.Context, name types.NamespacedName, pod *corev1.Pod) (*inject.Lack, error) {
	if err := r.pods.Get(ctx, name, pod); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	namespace := &corev1.Namespace{}
	if err := r.pods.Get(ctx, types.NamespacedName{Name: name.Namespace}, namespace); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if finished(pod) || namespace.DeletionTimestamp != nil {
		return nil, nil
	}
	return inject.Missing(inject.Input{Pod: pod, Namespace: namespace, Settings: r.injection}), nil
}

// record keeps the count, and says whether the pod has yet to be told.
func (r *uninjectedReconciler) record(name types.NamespacedName, uid types.UID, lack *inject.Lack) bool {
	before, known := r.lacking[name]
	if lack != nil && known && before.uid == uid && before.reason == lack.Reason {
		return !before.told
	}
	if known {
		delete(r.lacking, name)
		uninjectedPods.WithLabelValues(string(before.reason)).Dec()
	}
	if lack == nil {
		return false
	}
	r.lacking[name] = lacking{uid: uid, reason: lack.Reason}
	uninjectedPods.WithLabelValues(string(lack.Reason)).Inc()
	return true
}

// tell writes the event, unless it stands there since before a restart of the operator.
func (r *uninjectedReconciler) tell(ctx context.Context, pod *corev1.Pod, lack inject.Lack) error {
	err := r.events.Create(ctx, uninjectedEvent(pod, lack, r.now()), client.FieldOwner(naming.FieldOwner))
	switch {
	case err == nil:
		ctrl.LoggerFrom(ctx).Info("Found a pod that is not injected", "reason", lack.Reason, "message", lack.Message)
	case apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
	default:
		return fmt.Errorf("event about pod %s: %w", client.ObjectKeyFromObject(pod), err)
	}
	r.lacking[client.ObjectKeyFromObject(pod)] = lacking{uid: pod.UID, reason: lack.Reason, told: true}
	return nil
}
