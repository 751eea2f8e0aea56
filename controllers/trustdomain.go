package controllers

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/status"
)

// +kubebuilder:rbac:groups=warifu.dev,resources=trustdomains,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=warifu.dev,resources=trustdomains/status,verbs=get;patch

const (
	// countsEvery is how often the counts of identities are written when they keep changing, as in a rollout, and countsBurst
	// how often at once before that.
	countsEvery = 15 * time.Second
	countsBurst = 4
	// countsSettle is how long the first change of the counts waits for more.
	countsSettle = 500 * time.Millisecond
	// ownWebhookAway is how long to wait before the TrustDomain is made again after our own webhook did not answer.
	ownWebhookAway = 500 * time.Millisecond
	// resync is how often a CA is looked at though nobody told that it changed.
	resync = 5 * time.Minute
	// actionServe is what events say that the operator was doing.
	actionServe = "ServeTrustDomain"
)

// trustDomainObjects reads TrustDomains from the cache and makes the one that is missing.
type trustDomainObjects interface {
	Reader
	Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error
}

// trustDomainReconciler makes the TrustDomain that the operator serves, loads its CA, hands what its spec says to the
// identity controller, and keeps its status. Other TrustDomains are told that nobody serves them.
type trustDomainReconciler struct {
	objects trustDomainObjects
	status  status.Applier
	events  Recorder

	issuers  *issuers
	trust    *trust
	tally    *tally
	settings *atomic.Pointer[identitySettings]
	reissue  signal

	trustDomain         identity.TrustDomain
	namespace           string
	allowShortLifetimes bool
	now                 func() time.Time

	// writes counts the writes of the status.
	writes *rate.Limiter
	// issuer is what the spec said at the last look.
	issuer v1alpha1.IssuerSpec
}

// setup watches TrustDomains and the CA's Secret, and looks once at the start, whether or not there is anything to see.
func (r *trustDomainReconciler) setup(mgr ctrl.Manager, counted signal) error {
	start := source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		queue.Add(r.served())
		return nil
	})
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("trustdomain").
		For(&v1alpha1.TrustDomain{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.ofSecret)).
		WatchesRawSource(counted.source(r.enqueueCounts)).
		WatchesRawSource(r.issuers.recheck.source(r.enqueueServed)).
		WatchesRawSource(start).
		WithOptions(controller.Options{RateLimiter: retries()}).
		Build(r)
	if err != nil {
		return err
	}
	r.issuers.watches.add(func() error {
		return c.Watch(source.Kind(mgr.GetCache(), &certmanagerv1.Certificate{}, handler.TypedEnqueueRequestsFromMapFunc(r.ofCertificate)))
	})
	return nil
}

func (r *trustDomainReconciler) enqueueServed(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	queue.Add(r.served())
}

// ofCertificate hears of the Certificate of the operator's own CA.
func (r *trustDomainReconciler) ofCertificate(_ context.Context, certificate *certmanagerv1.Certificate) []reconcile.Request {
	if certificate.Namespace != r.namespace || certificate.Name != naming.SecretIntermediate {
		return nil
	}
	return []reconcile.Request{r.served()}
}

func (r *trustDomainReconciler) served() reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: string(r.trustDomain)}}
}

// ofSecret hears of the CA's Secret.
func (r *trustDomainReconciler) ofSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	if secret.GetNamespace() != r.namespace {
		return nil
	}
	object := &v1alpha1.TrustDomain{}
	err := r.objects.Get(ctx, r.served().NamespacedName, object)
	if err != nil || secret.GetName() != object.Spec.CA.SecretName && secret.GetName() != naming.SecretIntermediate {
		return nil // without a TrustDomain there is a look at the start
	}
	return []reconcile.Request{r.served()}
}

// enqueueCounts has the status written soon, or later where it has been written often. The queue merges what waits.
func (r *trustDomainReconciler) enqueueCounts(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	after := countsEvery
	if r.writes.TokensAt(r.now()) >= 1 {
		after = countsSettle
	}
	queue.AddAfter(r.served(), after)
}

// Reconcile serves one TrustDomain.
func (r *trustDomainReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := &v1alpha1.TrustDomain{}
	err := r.objects.Get(ctx, request.NamespacedName, object)
	if apierrors.IsNotFound(err) {
		if request != r.served() {
			return ctrl.Result{}, nil
		}
		object, err = r.create(ctx)
	}
	if isWebhookAway(err) {
		// At the first start this is the rule: nobody sends the API server to a replica that is not ready yet. Ever longer
		// pauses would keep the first identities waiting long after.
		ctrl.LoggerFrom(ctx).V(1).Info("Making the TrustDomain as soon as our webhook can be reached", "answer", err.Error())
		return ctrl.Result{RequeueAfter: ownWebhookAway}, nil
	}
	if apierrors.IsAlreadyExists(err) {
		return ctrl.Result{RequeueAfter: retryConflict}, nil // another replica was faster, and its object is on the way here
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	facts := trustDomainFacts{Object: object, Served: request == r.served(), Now: r.now()}
	var loadErr error
	if facts.Served {
		loadErr = r.serve(ctx, &facts)
	}
	if err := r.write(ctx, object, trustDomainStatus(facts)); err != nil {
		return ctrl.Result{}, err
	}
	// What somebody has to change is no error of ours: the condition tells, and a change of the object or the Secret wakes us.
	if loadErr != nil && issuer.ReasonOf(loadErr) == "" {
		return ctrl.Result{}, loadErr
	}
	return ctrl.Result{RequeueAfter: facts.lookAgain()}, nil
}

// isWebhookAway says that the API server could not ask a webhook. It has no reason of its own for that.
func isWebhookAway(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "failed calling webhook")
}

// create makes the TrustDomain with the defaults of its kind.
func (r *trustDomainReconciler) create(ctx context.Context) (*v1alpha1.TrustDomain, error) {
	object := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{
		Name: string(r.trustDomain), Labels: map[string]string{naming.LabelManagedBy: naming.ManagedBy},
	}}
	if err := r.objects.Create(ctx, object, client.FieldOwner(naming.FieldOwner)); err != nil {
		return nil, fmt.Errorf("create TrustDomain %s: %w", object.Name, err)
	}
	ctrl.LoggerFrom(ctx).Info("Made TrustDomain")
	return object, nil
}

// serve obeys the spec: it hands valid settings to the identity controller, loads the CA, and has identities looked at
// again where either changed. An invalid spec leaves in force what was valid before, and after a restart the defaults: a
// typing error must not let identities expire.
func (r *trustDomainReconciler) serve(ctx context.Context, facts *trustDomainFacts) error {
	object := facts.Object
	settings, problem := settingsOf(object.Spec, r.allowShortLifetimes)
	facts.Problem = problem
	changed := r.obey(settings, problem == "")
	before, _ := r.issuers.current.Authority() // zero where nothing can be issued
	l := r.issuers.load(ctx, object)
	facts.LoadErr, facts.IssuerProblem, facts.LookAgain = l.Err, l.Problem, l.LookAgain
	rotation, err := r.trust.advance(ctx, r.settings.Load().roots(r.now()))
	if err != nil {
		return err
	}
	facts.Rotation = rotation
	after, afterErr := r.issuers.current.Authority()
	switch {
	case afterErr == nil:
		facts.Authority = &after
	case facts.LoadErr == nil: // it has become unusable just now
		facts.LoadErr = afterErr
	}
	if !equality.Semantic.DeepEqual(r.issuer, object.Spec.Issuer) {
		r.issuer, changed = *object.Spec.Issuer.DeepCopy(), true
	}
	if changed || !sameAuthority(before, after) {
		r.reissue.raise()
		r.issuers.review.raise()
	}
	facts.Counts = r.tally.counts()
	facts.export()
	return l.Err
}

// obey puts settings in force and says whether they differ from what was.
func (r *trustDomainReconciler) obey(settings identitySettings, valid bool) bool {
	before := r.settings.Load()
	if !valid {
		if before != nil {
			return false
		}
		settings = defaultSettings
	}
	r.settings.Store(&settings)
	return before == nil || *before != settings
}

// write applies the status where it differs, and tells of what has changed once it is written.
func (r *trustDomainReconciler) write(ctx context.Context, object *v1alpha1.TrustDomain, want v1alpha1.TrustDomainStatus) error {
	if equality.Semantic.DeepEqual(object.Status, want) {
		return nil
	}
	if err := status.Write(ctx, r.status, v1alpha1.KindTrustDomain, client.ObjectKeyFromObject(object), &want); err != nil {
		return client.IgnoreNotFound(err)
	}
	r.writes.AllowN(r.now(), 1)
	for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionIssuerReady} {
		r.tell(ctx, object, meta.FindStatusCondition(want.Conditions, condition))
	}
	return nil
}

// tell records an event where a condition has changed from what the object said.
func (r *trustDomainReconciler) tell(ctx context.Context, object *v1alpha1.TrustDomain, after *metav1.Condition) {
	if after == nil {
		return
	}
	before := meta.FindStatusCondition(object.Status.Conditions, after.Type)
	if before != nil && before.Status == after.Status && before.Reason == after.Reason {
		return
	}
	kind := corev1.EventTypeWarning
	if after.Status == metav1.ConditionTrue {
		kind = corev1.EventTypeNormal
	}
	r.events.Eventf(object, nil, kind, after.Reason, actionServe, "%s", after.Message)
	ctrl.LoggerFrom(ctx).Info("TrustDomain", "condition", after.Type, "status", after.Status, "reason", after.Reason, "message", after.Message)
}
