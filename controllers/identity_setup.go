package controllers

import (
	"cmp"
	"context"
	"sync/atomic"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
)

// IdentityOptions are the process settings of identities; whatever describes trust is in the TrustDomain.
type IdentityOptions struct {
	// TrustDomain that this operator serves.
	TrustDomain identity.TrustDomain
	// Namespace is the operator's own, where the CA is.
	Namespace string
	// AllowShortLifetimes accepts certificates that live less than ten minutes: for tests.
	AllowShortLifetimes bool
	// SecretDelivery is how long kubelet may take to bring a changed Secret to the pods that run; 0 means
	// DefaultSecretDelivery.
	SecretDelivery time.Duration
	// Workers is how many ServiceAccounts are worked on at once; 0 means DefaultWorkers. The work is mostly waiting for the API server.
	Workers int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DefaultWorkers is how many ServiceAccounts are worked on at once.
const DefaultWorkers = 8

// SetupIdentities adds the controllers of TrustDomain, of identities and of requests to cert-manager to the manager. All
// write, so they run on the leader only.
//
// What they need of the manager's cache: ServiceAccounts and Namespaces; of Pods the labels, spec.serviceAccountName and
// status.phase; of Secrets, whole, those labelled naming.LabelManagedBy=naming.ManagedBy and, so that a change of the CA is
// noticed at once and not after minutes, those in the operator's namespace. With cert-manager's issuers also all Certificates
// and CertificateRequests; these informers start when a TrustDomain first asks for cert-manager.
func SetupIdentities(mgr ctrl.Manager, o IdentityOptions) error {
	if o.Workers == 0 {
		o.Workers = DefaultWorkers
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	events := mgr.GetEventRecorder("warifu-operator")
	all := newIssuers(mgr, o)
	reissue, counted := newSignal(), newSignal()
	settings := &atomic.Pointer[identitySettings]{}
	states := newTally(counted.raise)

	identities := &identityReconciler{
		reader: mgr.GetClient(), live: mgr.GetAPIReader(), objects: mgr.GetClient(), events: events,
		issuer: all.current, tally: states, settings: settings,
		trustDomain: o.TrustDomain, rootNamespace: o.Namespace, now: o.Now,
	}
	if err := identities.setup(mgr, o.Workers, reissue, all.watches); err != nil {
		return err
	}
	requests := &requestReconciler{
		identities: identities, status: mgr.GetClient().Status(), events: events, recheck: all.recheck, namespace: o.Namespace, now: o.Now,
	}
	if err := requests.setup(mgr, o.Workers, all.review, all.watches); err != nil {
		return err
	}
	change := &trust{
		trustDomain: o.TrustDomain, reader: mgr.GetClient(), current: all.current, deliverable: cmp.Or(o.SecretDelivery, DefaultSecretDelivery), now: o.Now,
	}
	domains := &trustDomainReconciler{
		objects: mgr.GetClient(), status: mgr.GetClient().Status(), events: events,
		issuers: all, trust: change, tally: states, settings: settings, reissue: reissue,
		trustDomain: o.TrustDomain, namespace: o.Namespace, allowShortLifetimes: o.AllowShortLifetimes, now: o.Now,
		writes: rate.NewLimiter(rate.Every(countsEvery), countsBurst),
	}
	return domains.setup(mgr, counted)
}

// maxRetryDelay is the most that lies between two attempts at what fails.
const maxRetryDelay = time.Minute

// retries is how soon to try again what failed. The default's 17 minutes, and ten objects a second for all together, would make
// an outage of the API server last much longer here than it did there.
func retries() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](20*time.Millisecond, maxRetryDelay)
}

// podsByIdentity is the index of unfinished pods that opted in themselves, by their ServiceAccount.
const podsByIdentity = naming.Group + "/pods-by-identity"

func indexPodByIdentity(object client.Object) []string {
	if pod, ok := object.(*corev1.Pod); ok && usesIdentity(pod) {
		return []string{serviceAccountOf(pod)}
	}
	return nil
}

// serviceAccountOf is what the pod runs as; the API server writes the default into every pod, a test may not.
func serviceAccountOf(pod *corev1.Pod) string {
	if pod.Spec.ServiceAccountName == "" {
		return "default"
	}
	return pod.Spec.ServiceAccountName
}

// setup watches all that decideIdentity depends on.
func (r *identityReconciler) setup(mgr ctrl.Manager, workers int, reissue signal, late *lateWatches) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &corev1.Pod{}, podsByIdentity, indexPodByIdentity); err != nil {
		return err
	}
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("identity").
		For(&corev1.ServiceAccount{}).
		Owns(&corev1.Secret{}).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(ofIssued)).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace), builder.WithPredicates(namespaceOptsChanged)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(ofPod), builder.WithPredicates(podUseChanged)).
		WatchesRawSource(reissue.source(r.enqueueAll)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retries()}).
		Build(r)
	if err != nil {
		return err
	}
	late.add(func() error {
		return c.Watch(source.Kind(mgr.GetCache(), &certmanagerv1.Certificate{}, handler.TypedEnqueueRequestForOwner[*certmanagerv1.Certificate](
			mgr.GetScheme(), mgr.GetRESTMapper(), &corev1.ServiceAccount{}, handler.OnlyControllerOwner())))
	})
	return nil
}

// namespaceOptsChanged: the namespace is new here, its label changed, or it is going.
var namespaceOptsChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetLabels()[naming.LabelInjection] != e.ObjectNew.GetLabels()[naming.LabelInjection] ||
			(e.ObjectOld.GetDeletionTimestamp() == nil) != (e.ObjectNew.GetDeletionTimestamp() == nil)
	},
	DeleteFunc: func(event.DeleteEvent) bool { return false },
}

// podUseChanged: the pod begins or ceases to use the identity of its ServiceAccount by its own label.
var podUseChanged = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return uses(e.Object) },
	UpdateFunc: func(e event.UpdateEvent) bool { return uses(e.ObjectOld) != uses(e.ObjectNew) },
	DeleteFunc: func(e event.DeleteEvent) bool { return uses(e.Object) },
}

func uses(object client.Object) bool { return len(indexPodByIdentity(object)) > 0 }

func (r *identityReconciler) ofNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	return r.serviceAccounts(ctx, client.InNamespace(namespace.GetName()))
}

func ofPod(_ context.Context, object client.Object) []reconcile.Request {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.Namespace, Name: serviceAccountOf(pod)}}}
}

// enqueueAll has every ServiceAccount looked at: what certificates should be has changed.
func (r *identityReconciler) enqueueAll(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	for _, request := range r.serviceAccounts(ctx) {
		queue.Add(request)
	}
}

func (r *identityReconciler) serviceAccounts(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var list corev1.ServiceAccountList
	if err := r.reader.List(ctx, &list, options...); err != nil {
		// A cache's list fails only while the process stops.
		ctrl.LoggerFrom(ctx).Error(err, "Listing ServiceAccounts")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}
