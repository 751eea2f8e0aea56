package controllers

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer/certmanager"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

const (
	// actionReview is what events say that the operator was doing.
	actionReview = "ReviewCertificateRequest"
	// reasonDenied is the reason of the event about a request that was denied.
	reasonDenied = "CertificateRequestDenied"
)

// requestsDecided counts decisions. Its labels are out of fixed lists.
var requestsDecided = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "warifu_certificate_requests_decided_total",
	Help: "CertificateRequests to cert-manager that were approved or denied, by the reason for denying them.",
}, []string{"decision", "reason"})

func init() { metrics.Registry.MustRegister(requestsDecided) }

// statusUpdater writes a status where nobody else has changed the object since it was read.
type statusUpdater interface {
	Update(ctx context.Context, obj client.Object, opts ...client.SubResourceUpdateOption) error
}

// requestReconciler approves and denies the requests to the issuer in force: with the type CertManagerLeaf all of them, with
// CertManagerIntermediate the one for the operator's own CA, if nobody else does.
type requestReconciler struct {
	identities *identityReconciler
	status     statusUpdater
	events     Recorder
	recheck    signal
	namespace  string
	now        func() time.Time
	holds      certmanager.Holds
}

func (r *requestReconciler) setup(mgr ctrl.Manager, workers int, review signal, late *lateWatches) error {
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("certificaterequest").
		WatchesRawSource(review.source(r.enqueueUndecided)).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, RateLimiter: retries()}).
		Build(r)
	if err != nil {
		return err
	}
	late.add(func() error {
		return c.Watch(source.Kind(mgr.GetCache(), &certmanagerv1.CertificateRequest{}, &handler.TypedEnqueueRequestForObject[*certmanagerv1.CertificateRequest]{}))
	})
	return nil
}

// enqueueUndecided has requests looked at that came while they could not be decided.
func (r *requestReconciler) enqueueUndecided(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	if _, err := r.identities.issuer.Authority(); err != nil {
		return
	}
	if _, leaf := r.identities.issuer.Get().(*certmanager.Leaf); !leaf {
		return
	}
	var list certmanagerv1.CertificateRequestList
	if err := r.identities.reader.List(ctx, &list); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing CertificateRequests") // only while the process stops
		return
	}
	for i := range list.Items {
		if _, _, decided := certmanager.Decided(&list.Items[i]); !decided {
			queue.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
}

// Reconcile decides about one request.
func (r *requestReconciler) Reconcile(ctx context.Context, key ctrl.Request) (ctrl.Result, error) {
	request := &certmanagerv1.CertificateRequest{}
	if err := r.identities.reader.Get(ctx, key.NamespacedName, request); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if request.DeletionTimestamp != nil || certmanager.IsCanary(request, r.namespace) {
		return ctrl.Result{}, nil
	}
	switch current := r.identities.issuer.Get().(type) {
	case *certmanager.Leaf:
		return r.leaf(ctx, request, current)
	case *certmanager.Intermediate:
		return r.intermediate(ctx, request, current)
	}
	return ctrl.Result{}, nil
}

// leaf decides about a request to the issuer of workload certificates.
func (r *requestReconciler) leaf(ctx context.Context, request *certmanagerv1.CertificateRequest, leaf *certmanager.Leaf) (ctrl.Result, error) {
	authority, err := leaf.Authority()
	if err != nil || !certmanager.RefersTo(request.Spec.IssuerRef, leaf.Issuer()) {
		return ctrl.Result{}, nil //nolint:nilerr // without an authority it is not our turn: see enqueueUndecided
	}
	if reason, approved, decided := certmanager.Decided(request); decided {
		r.holds.Note(request, authority.Roots, r.now())
		if approved && reason != certmanager.Approver && leaf.ApprovedByOthers(client.ObjectKeyFromObject(request).String(), request.CreationTimestamp.Time, reason) {
			r.recheck.raise()
		}
		return ctrl.Result{}, nil
	}
	asked, decision := certmanager.Read(request, r.identities.trustDomain)
	if decision.Denial == certmanager.Granted {
		var c certmanager.Circumstances
		if c, err = r.circumstances(ctx, asked.ID, request, leaf); err != nil {
			return ctrl.Result{}, err
		}
		decision = certmanager.Review(asked, c)
	}
	if decision.Denial != certmanager.Granted {
		if mine, err := r.takesPart(ctx, request, leaf); err != nil || !mine {
			return ctrl.Result{}, err
		}
		return r.decide(ctx, request, decision)
	}
	if wait := r.holds.Until(metav1.GetControllerOf(request).UID).Sub(r.now()); wait > 0 {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	return r.decide(ctx, request, decision)
}

// takesPart says whether a request is ours to deny. An issuer of the whole cluster is ours; one of a namespace may be another
// of the same name, unless the namespace has opted in.
func (r *requestReconciler) takesPart(ctx context.Context, request *certmanagerv1.CertificateRequest, leaf *certmanager.Leaf) (bool, error) {
	if !leaf.Namespaced() {
		return true, nil
	}
	namespace := &corev1.Namespace{}
	if err := r.identities.reader.Get(ctx, types.NamespacedName{Name: request.Namespace}, namespace); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return namespace.Labels[naming.LabelInjection] == naming.InjectionEnabled, nil
}

// circumstances gathers what a decision depends on. Where the caches could lag behind the request, the API server is asked.
func (r *requestReconciler) circumstances(ctx context.Context, id identity.ID, request *certmanagerv1.CertificateRequest, leaf *certmanager.Leaf) (c certmanager.Circumstances, err error) {
	facts, err := r.identities.gather(ctx, types.NamespacedName{Namespace: id.Namespace(), Name: id.ServiceAccount()})
	if err != nil || facts == nil || !facts.Wanted {
		return c, err
	}
	if facts.Want == nil {
		return c, errors.New("the issuer has just become unusable")
	}
	c.Want = certmanager.LeafCertificate(certmanager.LeafRequest{
		ServiceAccount: facts.ServiceAccount, ID: id, Algorithm: facts.Want.Algorithm, Lifetime: facts.Want.Lifetime, Issuer: leaf.Issuer(),
	})
	c.Certificate, c.NextKey, err = r.origin(ctx, request)
	return c, err
}

// origin is the Certificate that a request says to come from, and the key that cert-manager holds ready for it.
func (r *requestReconciler) origin(ctx context.Context, request *certmanagerv1.CertificateRequest) (*certmanagerv1.Certificate, crypto.PublicKey, error) {
	owner := certmanager.OriginOf(request)
	if owner == nil {
		return nil, nil, nil
	}
	certificate := &certmanagerv1.Certificate{}
	err := r.identities.live.Get(ctx, types.NamespacedName{Namespace: request.Namespace, Name: owner.Name}, certificate)
	if err != nil || certificate.UID != owner.UID {
		return nil, nil, client.IgnoreNotFound(err)
	}
	if certificate.Status.NextPrivateKeySecretName == nil {
		return certificate, nil, nil
	}
	secret := &corev1.Secret{}
	err = r.identities.live.Get(ctx, types.NamespacedName{Namespace: request.Namespace, Name: *certificate.Status.NextPrivateKeySecretName}, secret)
	if err != nil {
		return certificate, nil, client.IgnoreNotFound(err)
	}
	key, err := pki.ParseKey(secret.Data[naming.FileKey])
	if err != nil {
		return certificate, nil, nil //nolint:nilerr // a key that cannot be read is none
	}
	return certificate, key.Public(), nil
}

// intermediate approves the request for the operator's own CA. Where cert-manager approves automatically it was faster.
func (r *requestReconciler) intermediate(ctx context.Context, request *certmanagerv1.CertificateRequest, i *certmanager.Intermediate) (ctrl.Result, error) {
	owner := certmanager.OriginOf(request)
	if _, _, decided := certmanager.Decided(request); decided || request.Namespace != r.namespace || owner == nil || owner.Name != naming.SecretIntermediate {
		return ctrl.Result{}, nil
	}
	certificate, key, err := r.origin(ctx, request)
	if err != nil {
		return ctrl.Result{}, err
	}
	decision := certmanager.ReviewIntermediate(request, certmanager.Circumstances{Want: i.Certificate(), Certificate: certificate, NextKey: key})
	if decision.Denial != certmanager.Granted {
		ctrl.LoggerFrom(ctx).Info("Left a CertificateRequest alone", "reason", decision.Denial, "message", decision.Message)
		return ctrl.Result{}, nil
	}
	return r.decide(ctx, request, decision)
}

// decide writes a decision, unless somebody was faster.
func (r *requestReconciler) decide(ctx context.Context, request *certmanagerv1.CertificateRequest, d certmanager.Decision) (ctrl.Result, error) {
	err := r.status.Update(ctx, certmanager.WithDecision(request, d, r.now()), client.FieldOwner(naming.FieldOwner))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ctrl.Result{}, nil // the other write is on its way here
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("decide about CertificateRequest %s: %w", client.ObjectKeyFromObject(request), err)
	}
	if d.Denial == certmanager.Granted {
		requestsDecided.WithLabelValues("approved", "").Inc()
		return ctrl.Result{}, nil
	}
	requestsDecided.WithLabelValues("denied", string(d.Denial)).Inc()
	r.events.Eventf(request, nil, corev1.EventTypeWarning, reasonDenied, actionReview, "%s", d.Message)
	ctrl.LoggerFrom(ctx).Info("Denied a CertificateRequest", "reason", d.Denial, "message", d.Message)
	return ctrl.Result{}, nil
}
