package controllers

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// Identity Secrets lie in the namespaces of their ServiceAccounts, which nobody can list in advance; RBAC knows no
// selectors. Hence the verbs on Secrets hold for the whole cluster, and isIdentitySecretOf is what keeps the operator to
// its own. Patch is not needed, and not asked for.
//
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
// +kubebuilder:rbac:groups="",resources=serviceaccounts;namespaces;pods,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// How soon to look again where no watch will tell.
const (
	// retryForeign: a Secret that is not ours is in no cache, so nobody tells when it goes away.
	retryForeign = 30 * time.Second
	// retryConflict: another writer was faster; its write is on its way to the cache.
	retryConflict = time.Second
)

// identitySettings is what a TrustDomain's spec says about workload certificates.
type identitySettings struct {
	Algorithm pki.KeyAlgorithm
	Lifetime  time.Duration
	// AdditionalRoots in PEM.
	AdditionalRoots string
}

// roots are the additional ones that have not expired.
func (s identitySettings) roots(now time.Time) []*x509.Certificate {
	roots, err := pki.ParseRoots([]byte(s.AdditionalRoots), time.Time{})
	if err != nil {
		return nil // settings that are not valid are never in force
	}
	return slices.DeleteFunc(roots, func(root *x509.Certificate) bool { return !now.Before(root.NotAfter) })
}

// identityReconciler keeps one Secret for each ServiceAccount that is to have an identity, ahead of the first pod.
//
// Opting a namespace out removes its Secrets at once, also while injected pods still run: they keep what is mounted until
// they restart, and a restarted pod is no longer injected.
type identityReconciler struct {
	reader  client.Reader // caches; of Secrets only those that carry our label
	live    Reader        // the API server, for an object that may not be ours
	objects objectWriter
	events  Recorder
	issuer  *issuer.Current
	tally   *tally
	// settings are nil until a TrustDomain has been accepted.
	settings *atomic.Pointer[identitySettings]

	trustDomain   identity.TrustDomain
	rootNamespace string
	now           func() time.Time
}

// objectWriter writes whole objects; nothing here patches or applies.
type objectWriter interface {
	Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error
	Update(ctx context.Context, obj client.Object, opts ...client.UpdateOption) error
	Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error
}

// Reconcile brings one ServiceAccount's identity to what it should be.
func (r *identityReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	facts, err := r.gather(ctx, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	if facts == nil {
		r.tally.forget(request.NamespacedName)
		return ctrl.Result{}, r.removeOrphan(ctx, request.NamespacedName)
	}
	if result, done, err := r.order(ctx, *facts); done || err != nil {
		return result, err
	}
	return r.apply(ctx, *facts, decideIdentity(*facts))
}

// gather returns nil where there is nothing to decide: the ServiceAccount is gone, and its Secret with it by garbage
// collection, or its namespace is going.
func (r *identityReconciler) gather(ctx context.Context, name types.NamespacedName) (*identityFacts, error) {
	sa := &corev1.ServiceAccount{}
	if err := r.reader.Get(ctx, name, sa); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	namespace := &corev1.Namespace{}
	if err := r.reader.Get(ctx, types.NamespacedName{Name: name.Namespace}, namespace); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if namespace.DeletionTimestamp != nil || sa.DeletionTimestamp != nil {
		return nil, nil
	}
	wanted, err := r.wanted(ctx, namespace, sa.Name)
	if err != nil {
		return nil, err
	}
	facts := &identityFacts{ServiceAccount: sa, Wanted: wanted, Now: r.now()}
	secret := &corev1.Secret{}
	err = r.reader.Get(ctx, types.NamespacedName{Namespace: sa.Namespace, Name: naming.IdentitySecret(sa.Name)}, secret)
	switch {
	case err == nil:
		facts.Secret = secret
	case !apierrors.IsNotFound(err):
		return nil, err
	}
	if wanted {
		if facts.Want, err = r.want(sa); err != nil {
			return nil, err
		}
	}
	return facts, r.gatherOrder(ctx, facts)
}

// wanted says whether the ServiceAccount is to have an identity.
func (r *identityReconciler) wanted(ctx context.Context, namespace *corev1.Namespace, serviceAccount string) (bool, error) {
	switch wantsIdentities(namespace, r.rootNamespace) {
	case identitiesForAll:
		return true, nil
	case identitiesForNone:
		return false, nil
	case identitiesForOperator:
		return serviceAccount == naming.ServiceAccountOperator, nil
	case identitiesForPods:
	}
	var pods corev1.PodList
	err := r.reader.List(ctx, &pods, client.InNamespace(namespace.Name), client.MatchingFields{podsByIdentity: serviceAccount}, client.Limit(1))
	return len(pods.Items) > 0, err
}

// want is nil while nothing can be issued.
func (r *identityReconciler) want(sa *corev1.ServiceAccount) (*pki.Want, error) {
	settings := r.settings.Load()
	authority, err := r.issuer.Authority()
	if settings == nil || issuer.ReasonOf(err) != "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	id, err := identity.New(r.trustDomain, sa.Namespace, sa.Name)
	if err != nil {
		return nil, err
	}
	return &pki.Want{ID: id, Algorithm: settings.Algorithm, Lifetime: settings.Lifetime, Authority: authority}, nil
}

// apply carries a decision out.
func (r *identityReconciler) apply(ctx context.Context, f identityFacts, d identityDecision) (ctrl.Result, error) {
	sa := f.ServiceAccount
	name := client.ObjectKeyFromObject(sa)
	if d.Open && r.tally.failing(name) {
		return r.lookAgain(d), nil
	}
	switch d.Action {
	case identityKeep:
		if !f.Wanted {
			r.tally.forget(name)
			return ctrl.Result{}, nil
		}
		result := r.issued(sa, d.RenewAt)
		if d.LookAgain.IsZero() {
			return result, nil
		}
		return r.lookAgain(d), nil
	case identityAwait:
		r.tally.record(name, identityEntry{State: identityPending, Reason: d.Reason, Message: d.Message})
		return r.lookAgain(d), nil
	case identityFail:
		r.fail(sa, d.Reason, d.Message)
		return r.lookAgain(d), nil
	case identityRemove:
		return r.remove(ctx, f, d)
	case identityRefuse:
		return r.refuse(sa, d), nil
	case identityCreate:
		return r.create(ctx, f, d)
	case identityRenew, identityPublish:
		return r.update(ctx, f, d)
	}
	return ctrl.Result{}, fmt.Errorf("identity of %s: no such action %q", name, d.Action)
}

// lookAgain is for decisions that change by time alone.
func (r *identityReconciler) lookAgain(d identityDecision) ctrl.Result {
	if d.LookAgain.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(d.LookAgain.Sub(r.now()), time.Second)}
}

// remove deletes exactly the Secret that was decided about: not one that took its place, nor one that changed hands since.
func (r *identityReconciler) remove(ctx context.Context, f identityFacts, d identityDecision) (ctrl.Result, error) {
	name := client.ObjectKeyFromObject(f.ServiceAccount)
	err := r.objects.Delete(ctx, f.Secret, client.Preconditions{UID: &f.Secret.UID, ResourceVersion: &f.Secret.ResourceVersion})
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: retryConflict}, nil
	}
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("delete identity Secret of %s: %w", name, err)
	}
	ctrl.LoggerFrom(ctx).Info("Removed identity Secret", "reason", d.Reason)
	if !f.Wanted {
		r.tally.forget(name)
		return ctrl.Result{}, nil
	}
	r.tally.record(name, identityEntry{State: identityPending, Reason: d.Reason, Message: d.Message})
	return ctrl.Result{RequeueAfter: retryConflict}, nil
}

// create makes the Secret. Where one exists that the caches do not show, it is looked at, and never written.
func (r *identityReconciler) create(ctx context.Context, f identityFacts, d identityDecision) (ctrl.Result, error) {
	files, renewAt, err := r.files(ctx, f)
	if err != nil {
		return r.failed(f.ServiceAccount, err)
	}
	err = r.objects.Create(ctx, newIdentitySecret(f.ServiceAccount, files), client.FieldOwner(naming.FieldOwner))
	switch {
	case apierrors.IsAlreadyExists(err):
		return r.inspect(ctx, f)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err):
		return ctrl.Result{}, nil // the namespace is going
	case err != nil:
		return r.failed(f.ServiceAccount, fmt.Errorf("create identity Secret: %w", err))
	}
	return r.wrote(ctx, f, d, renewAt), nil
}

// inspect reads a Secret that is in the way from the API server, and decides about it.
func (r *identityReconciler) inspect(ctx context.Context, f identityFacts) (ctrl.Result, error) {
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: f.ServiceAccount.Namespace, Name: naming.IdentitySecret(f.ServiceAccount.Name)}
	if err := r.live.Get(ctx, key, secret); err != nil {
		return ctrl.Result{RequeueAfter: retryConflict}, client.IgnoreNotFound(err)
	}
	f.Secret = secret
	decision := decideIdentity(f)
	if decision.Action == identityCreate {
		return ctrl.Result{}, fmt.Errorf("identity Secret %s exists and does not exist", key)
	}
	return r.apply(ctx, f, decision)
}

// update writes into the Secret that there is. Uid and resourceVersion of what was read go along, so that of two writers
// one is refused and looks again.
func (r *identityReconciler) update(ctx context.Context, f identityFacts, d identityDecision) (ctrl.Result, error) {
	secret := f.Secret.DeepCopy()
	if d.Action == identityPublish {
		secret.Data[naming.FileCA] = pki.EncodeCertificates(f.Want.Authority.Roots...)
	} else {
		files, renewAt, err := r.files(ctx, f)
		if err != nil {
			return r.failed(f.ServiceAccount, err)
		}
		secret.Data, d.RenewAt = dataOf(files), renewAt
	}
	err := r.objects.Update(ctx, secret, client.FieldOwner(naming.FieldOwner))
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return ctrl.Result{RequeueAfter: retryConflict}, nil
	}
	if err != nil {
		return r.failed(f.ServiceAccount, fmt.Errorf("update identity Secret: %w", err))
	}
	return r.wrote(ctx, f, d, d.RenewAt), nil
}
