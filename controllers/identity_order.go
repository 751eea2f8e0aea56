package controllers

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer/certmanager"
	"github.com/warifu/warifu/internal/naming"
)

// An order has two objects: the Certificate, and the Secret that cert-manager writes. The Secret is made first and removed
// last, so that a Secret of ours (they are cached, with or without cert-manager) tells of every Certificate there may be,
// whatever process was killed at whatever moment. Both belong to the ServiceAccount and go with it.

// gatherOrder adds what concerns cert-manager.
func (r *identityReconciler) gatherOrder(ctx context.Context, f *identityFacts) error {
	sa := f.ServiceAccount
	name := types.NamespacedName{Namespace: sa.Namespace, Name: naming.IssuedSecret(sa.Name)}
	issued := &corev1.Secret{}
	err := r.reader.Get(ctx, name, issued)
	switch {
	case err == nil:
		f.Issued = issued
	case !apierrors.IsNotFound(err):
		return err
	}
	leaf, ordering := r.issuer.Get().(*certmanager.Leaf)
	f.Ordering, f.Signing = ordering, !ordering && r.issuer.Get() != nil
	if !ordering || f.Want == nil {
		return nil
	}
	certificate := &certmanagerv1.Certificate{}
	if err := r.reader.Get(ctx, name, certificate); err != nil {
		if !apierrors.IsNotFound(err) {
			return err
		}
		certificate = nil
	}
	want := certmanager.LeafCertificate(certmanager.LeafRequest{
		ServiceAccount: sa, ID: f.Want.ID, Algorithm: f.Want.Algorithm, Lifetime: f.Want.Lifetime, Issuer: leaf.Issuer(),
	})
	f.Order = newIdentityOrder(certificate, want, f)
	f.Order.Held = !slices.EqualFunc(f.Want.Authority.Accepted, leaf.Roots(), (*x509.Certificate).Equal)
	if !f.Order.Slow {
		return nil
	}
	f.Order.Problem, err = leaf.Problem(ctx, sa)
	return err
}

// order makes, corrects or removes what is asked of cert-manager. Done says that there is nothing to decide about the identity
// itself now.
func (r *identityReconciler) order(ctx context.Context, f identityFacts) (result ctrl.Result, done bool, err error) {
	switch decideOrder(f) {
	case orderNothing:
		return ctrl.Result{}, false, nil
	case orderCancel:
		err := r.cancel(ctx, f)
		return ctrl.Result{}, err != nil, err
	case orderReplace:
		return ctrl.Result{RequeueAfter: retryConflict}, true, r.deleteExactly(ctx, f.Issued)
	case orderAdopt:
		secret := f.Issued.DeepCopy()
		secret.OwnerReferences = certmanager.IssuedSecret(f.ServiceAccount, f.Want.ID).OwnerReferences
		return r.ordered(f, r.objects.Update(ctx, secret, client.FieldOwner(naming.FieldOwner)))
	case orderPrepare:
		return r.prepare(ctx, f)
	case orderPlace:
		return r.place(ctx, f)
	case orderRefuse:
		return r.refuse(f.ServiceAccount, notOurs("Certificate", f.Order.Certificate)), true, nil
	}
	return ctrl.Result{}, true, fmt.Errorf("order of %s/%s: no such action", f.ServiceAccount.Namespace, f.ServiceAccount.Name)
}

// ordered accounts for a write that may have been too late. What was written comes back by the watch.
func (r *identityReconciler) ordered(f identityFacts, err error) (ctrl.Result, bool, error) {
	switch {
	case err == nil:
		return ctrl.Result{}, false, nil
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err) && !meta.IsNoMatchError(err):
		return ctrl.Result{RequeueAfter: retryConflict}, true, nil
	}
	result, err := r.failed(f.ServiceAccount, fmt.Errorf("order from cert-manager: %w", err))
	return result, true, err
}

// prepare makes the Secret, and then places the order. A Secret of that name that no cache shows is not ours, or just made.
func (r *identityReconciler) prepare(ctx context.Context, f identityFacts) (ctrl.Result, bool, error) {
	secret := certmanager.IssuedSecret(f.ServiceAccount, f.Want.ID)
	err := r.objects.Create(ctx, secret, client.FieldOwner(naming.FieldOwner))
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return ctrl.Result{}, true, nil
	case apierrors.IsAlreadyExists(err):
		if err := r.live.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
			return ctrl.Result{RequeueAfter: retryConflict}, true, client.IgnoreNotFound(err)
		}
		if !certmanager.IsIssued(secret) {
			return r.refuse(f.ServiceAccount, notOurs("Secret", secret)), true, nil
		}
		return ctrl.Result{RequeueAfter: retryConflict}, true, nil
	case err != nil:
		return r.ordered(f, err)
	}
	return r.place(ctx, f)
}

// place makes the Certificate, or makes it what it should be.
func (r *identityReconciler) place(ctx context.Context, f identityFacts) (ctrl.Result, bool, error) {
	if have := f.Order.Certificate; have != nil {
		if certmanager.Same(have, f.Order.Want) {
			return ctrl.Result{}, false, nil
		}
		return r.ordered(f, r.objects.Update(ctx, certmanager.Corrected(have, f.Order.Want), client.FieldOwner(naming.FieldOwner)))
	}
	err := r.objects.Create(ctx, f.Order.Want.DeepCopy(), client.FieldOwner(naming.FieldOwner))
	if !apierrors.IsAlreadyExists(err) {
		return r.ordered(f, err)
	}
	have := &certmanagerv1.Certificate{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(f.Order.Want), have); err != nil {
		return ctrl.Result{RequeueAfter: retryConflict}, true, client.IgnoreNotFound(err)
	}
	if !certmanager.IsIssued(have) {
		return r.refuse(f.ServiceAccount, notOurs("Certificate", have)), true, nil
	}
	return ctrl.Result{RequeueAfter: retryConflict}, true, nil
}

// cancel removes the Certificate, and then the Secret: cert-manager never removes what it wrote.
func (r *identityReconciler) cancel(ctx context.Context, f identityFacts) error {
	certificate := &certmanagerv1.Certificate{}
	err := r.live.Get(ctx, client.ObjectKeyFromObject(f.Issued), certificate)
	switch {
	case err == nil && certmanager.IsIssued(certificate):
		if err := r.deleteExactly(ctx, certificate); err != nil {
			return err
		}
	case err != nil && !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err):
		return fmt.Errorf("read Certificate %s/%s: %w", f.Issued.Namespace, f.Issued.Name, err)
	}
	if err := r.deleteExactly(ctx, f.Issued); err != nil {
		return err
	}
	ctrl.LoggerFrom(ctx).Info("Removed what was ordered from cert-manager")
	return nil
}

// removeOrphan removes what cert-manager wrote after its ServiceAccount had gone. What has an owner goes with it.
func (r *identityReconciler) removeOrphan(ctx context.Context, sa types.NamespacedName) error {
	secret := &corev1.Secret{}
	err := r.reader.Get(ctx, types.NamespacedName{Namespace: sa.Namespace, Name: naming.IssuedSecret(sa.Name)}, secret)
	if err != nil || !certmanager.IsIssued(secret) || metav1.GetControllerOf(secret) != nil {
		return client.IgnoreNotFound(err)
	}
	return r.deleteExactly(ctx, secret)
}

// deleteExactly deletes an object, and not one that took its place.
func (r *identityReconciler) deleteExactly(ctx context.Context, object client.Object) error {
	uid := object.GetUID()
	err := r.objects.Delete(ctx, object, client.Preconditions{UID: &uid})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete %T %s/%s: %w", object, object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

func notOurs(kind string, object client.Object) identityDecision {
	reason := v1alpha1.ReasonSecretNotOurs
	if kind == certmanagerv1.CertificateKind {
		reason = string(certmanager.NotOurs)
	}
	return identityDecision{Action: identityRefuse, Reason: reason, Message: fmt.Sprintf(
		"%s %s was not made by Warifu and is left alone; rename or delete it to have an identity issued", kind, object.GetName())}
}

// ofIssued finds the ServiceAccount of what cert-manager wrote by the identity that it was ordered for: a Secret that
// cert-manager made by itself has no owner.
func ofIssued(_ context.Context, object client.Object) []reconcile.Request {
	if !certmanager.IsIssued(object) {
		return nil
	}
	id, err := identity.Parse(object.GetAnnotations()[naming.AnnotationIdentity])
	if err != nil || id.Namespace() != object.GetNamespace() {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: id.Namespace(), Name: id.ServiceAccount()}}}
}
