package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// actionIssue is what events say that the operator was doing.
const actionIssue = "IssueIdentity"

// files are what the identity Secret is to hold: what was ordered and delivered, or else what is signed here and now.
func (r *identityReconciler) files(ctx context.Context, f identityFacts) (pki.Files, time.Time, error) {
	if f.Order != nil && f.Want.Authority.Signer == nil {
		return f.Order.Offer, f.renewAt(pki.Judge(f.Order.Offer, *f.Want, f.Now)), nil
	}
	return r.issue(ctx, f.Want)
}

// issue makes a new key, has it certified, and judges the result as it will be judged from now on: what would have to be
// replaced at once is an error, not a loop.
func (r *identityReconciler) issue(ctx context.Context, want *pki.Want) (pki.Files, time.Time, error) {
	signer := r.issuer.Ruling().Signer
	if signer == nil {
		return pki.Files{}, time.Time{}, &issuer.UnusableError{Reason: issuer.CANotLoaded, Message: "nothing is signed before everybody trusts the new CA"}
	}
	key, err := pki.NewKey(want.Algorithm)
	if err != nil {
		return pki.Files{}, time.Time{}, err
	}
	chain, err := signer.Issue(ctx, issuer.Request{ID: want.ID, Key: key, Lifetime: want.Lifetime})
	if err != nil {
		return pki.Files{}, time.Time{}, err
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		return pki.Files{}, time.Time{}, err
	}
	files := pki.Files{
		Cert: pki.EncodeCertificates(chain...), Key: keyPEM, CA: pki.EncodeCertificates(want.Authority.Roots...),
	}
	verdict := pki.Judge(files, *want, r.now())
	if verdict.Reason != pki.Valid {
		return pki.Files{}, time.Time{}, fmt.Errorf("the certificate that was issued is %s: %s", verdict.Reason, verdict.Message)
	}
	return files, verdict.RenewAt, nil
}

// wrote accounts for a Secret that was written.
func (r *identityReconciler) wrote(ctx context.Context, f identityFacts, d identityDecision, renewAt time.Time) ctrl.Result {
	level := 0
	if d.Reason == string(pki.RenewalDue) || d.Action == identityPublish {
		level = 1
	}
	ctrl.LoggerFrom(ctx).V(level).Info("Wrote identity Secret", "identity", f.Want.ID.String(), "reason", d.Reason, "renewAt", renewAt)
	if d.Action != identityPublish {
		certificatesIssued.WithLabelValues(d.Reason).Inc()
	}
	return r.issued(f.ServiceAccount, renewAt)
}

// issued records an identity that is in order and comes back when it is due.
func (r *identityReconciler) issued(sa *corev1.ServiceAccount, renewAt time.Time) ctrl.Result {
	before := r.tally.record(client.ObjectKeyFromObject(sa), identityEntry{State: identityIssued, RenewAt: renewAt})
	if before.State == identityFailed {
		r.events.Eventf(sa, nil, corev1.EventTypeNormal, v1alpha1.ReasonIssued, actionIssue, "The identity has been issued")
	}
	if renewAt.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(renewAt.Sub(r.now()), time.Millisecond)}
}

// refuse leaves somebody else's Secret alone and says so.
func (r *identityReconciler) refuse(sa *corev1.ServiceAccount, d identityDecision) ctrl.Result {
	r.fail(sa, d.Reason, d.Message)
	return ctrl.Result{RequeueAfter: retryForeign}
}

// failed accounts for an attempt that failed, and hands the error on for another with growing delay. An issuer that can
// sign nothing is no failure of this ServiceAccount: it waits.
func (r *identityReconciler) failed(sa *corev1.ServiceAccount, err error) (ctrl.Result, error) {
	if reason := issuer.ReasonOf(err); reason != "" {
		r.tally.record(client.ObjectKeyFromObject(sa), identityEntry{State: identityPending, Reason: string(reason), Message: err.Error()})
		return ctrl.Result{}, nil
	}
	r.fail(sa, v1alpha1.ReasonIssueFailed, err.Error())
	return ctrl.Result{}, fmt.Errorf("identity of %s/%s: %w", sa.Namespace, sa.Name, err)
}

// fail records a failure, counts it, and tells it once for each reason.
func (r *identityReconciler) fail(sa *corev1.ServiceAccount, reason, message string) {
	certificatesFailed.WithLabelValues(reason).Inc()
	before := r.tally.record(client.ObjectKeyFromObject(sa), identityEntry{State: identityFailed, Reason: reason, Message: message})
	if before.State != identityFailed || before.Reason != reason {
		r.events.Eventf(sa, nil, corev1.EventTypeWarning, reason, actionIssue, "%s", message)
	}
}

// newIdentitySecret is the Secret as it is created. The owner reference does not block the owner's deletion: that would
// need a right on the finalizers of every ServiceAccount.
func newIdentitySecret(sa *corev1.ServiceAccount, files pki.Files) *corev1.Secret {
	controller := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: sa.Namespace,
			Name:      naming.IdentitySecret(sa.Name),
			Labels: map[string]string{
				naming.LabelManagedBy:      naming.ManagedBy,
				naming.LabelKind:           naming.KindIdentity,
				naming.LabelServiceAccount: string(sa.UID),
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "ServiceAccount", Name: sa.Name, UID: sa.UID, Controller: &controller,
			}},
		},
		Type: corev1.SecretTypeTLS,
		Data: dataOf(files),
	}
}

func dataOf(files pki.Files) map[string][]byte {
	return map[string][]byte{naming.FileCert: files.Cert, naming.FileKey: files.Key, naming.FileCA: files.CA}
}
