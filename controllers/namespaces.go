package controllers

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/warifu/warifu/internal/inject"
)

// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupNamespaceLabels adds the controller that tells of namespaces whose labels are not understood: who misspells one
// believes to be protected. It writes events, so it runs on the leader only.
func SetupNamespaceLabels(mgr ctrl.Manager) error {
	for _, reason := range inject.NamespaceReasons() {
		misunderstoodNamespaces.WithLabelValues(string(reason)).Set(0)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("namespace-labels").
		For(&corev1.Namespace{}, builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 1, EnableWarmup: ptr.To(withoutWarmup)}).
		Complete(&namespaceReconciler{
			reader: mgr.GetClient(), events: mgr.GetEventRecorder(eventSource), told: map[string]inject.NamespaceReason{},
		})
}

// namespaceReconciler counts namespaces by what is not understood of them, and tells each once.
type namespaceReconciler struct {
	reader Reader
	events Recorder
	// told is what has been said of each. There is one worker, so nothing guards it.
	told map[string]inject.NamespaceReason
}

// Reconcile looks at the labels of one namespace.
func (r *namespaceReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	namespace := &corev1.Namespace{}
	if err := r.reader.Get(ctx, request.NamespacedName, namespace); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	reason, message := inject.Misunderstood(namespace) // nothing of one that is gone
	before := r.told[request.Name]
	if reason == before {
		return ctrl.Result{}, nil
	}
	if before != "" {
		delete(r.told, request.Name)
		misunderstoodNamespaces.WithLabelValues(string(before)).Dec()
	}
	if reason != "" {
		r.told[request.Name] = reason
		misunderstoodNamespaces.WithLabelValues(string(reason)).Inc()
		r.events.Eventf(namespace, nil, corev1.EventTypeWarning, string(reason), actionInject, "%s", message)
		ctrl.LoggerFrom(ctx).Info("Found a namespace with a label that is not understood", "reason", reason, "message", message)
	}
	return ctrl.Result{}, nil
}
