package controllers

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

const (
	// rotationPoll is how often to look while one CA takes the place of another. It is also the least time between the moment
	// at which every Secret has the new root and the first signature by it: a Secret that is being written just then is seen.
	rotationPoll = time.Second
	// DefaultSecretDelivery is how long kubelet, as it is set by default, may take to bring a Secret to the pods that run: up to
	// 90 s.
	DefaultSecretDelivery = 2 * time.Minute
)

// trust changes the root safely: whatever the chosen issuer would sign with, and whenever that changes, nothing is signed by it
// before every identity trusts it, and what was trusted before stays so until no live certificate needs it. The state is in the
// identity Secrets; in memory are only times, which begin anew after a restart.
type trust struct {
	trustDomain identity.TrustDomain
	reader      client.Reader
	current     *issuer.Current
	deliverable time.Duration // within which Secrets are brought to pods that run
	now         func() time.Time

	next       pki.Authority
	additional []*x509.Certificate
	last       rotation
	// toldAt is since when every identity trusts the next CA.
	toldAt time.Time
	// needed says when a former root was last seen to be needed.
	needed map[string]time.Time
}

// rotation is how far a change of the root is.
type rotation struct {
	// Settled: the chosen CA signs, and no former root is trusted.
	Settled bool
	// Signs: the chosen CA signs.
	Signs bool
	// Next is the chosen CA; nil where somebody else signs.
	Next   *x509.Certificate
	Former []*x509.Certificate
	// Untold is how many identities do not trust the next CA.
	Untold int
}

// advance rules on what is trusted and who signs. It changes nothing where the chosen issuer cannot issue.
func (t *trust) advance(ctx context.Context, additional []*x509.Certificate) (rotation, error) {
	chosen := t.current.Get()
	next, err := chosen.Authority()
	if err != nil {
		t.last.Settled = false // whatever comes next is looked at
		return rotation{}, nil //nolint:nilerr // whoever loaded the issuer has told
	}
	same := sameAuthority(t.next, next)
	if same && t.last.Settled && slices.EqualFunc(t.additional, additional, (*x509.Certificate).Equal) {
		return t.last, nil
	}
	if !same {
		t.toldAt = time.Time{}
	}
	t.next, t.additional = next, additional
	holders, err := t.holders(ctx)
	if err != nil {
		return rotation{}, err
	}
	delivery, err := t.delivery(ctx)
	if err != nil {
		return rotation{}, err
	}
	now := t.now()
	decided := pki.DecideTrust(pki.TrustFacts{TrustDomain: t.trustDomain, Next: next, Additional: additional, Holders: holders}, now)
	t.keepFormer(&decided, holders, now, delivery)
	t.last = rotation{Signs: t.maySign(decided, now, delivery), Next: next.Signer, Former: decided.Former, Untold: decided.Untold}
	t.last.Settled = t.last.Signs && len(decided.Former) == 0
	t.current.Rule(t.ruling(chosen, decided.Roots, now))
	return t.last, nil
}

// maySign says whether the next CA may sign now.
func (t *trust) maySign(decided pki.Trust, now time.Time, delivery time.Duration) bool {
	if decided.Untold > 0 {
		t.toldAt = time.Time{}
	} else if t.toldAt.IsZero() {
		t.toldAt = now
	}
	return decided.Established || decided.Untold == 0 && now.Sub(t.toldAt) >= max(delivery, rotationPoll)
}

// keepFormer keeps a former root for as long as pods may hold a certificate that the Secrets do not hold any more.
func (t *trust) keepFormer(decided *pki.Trust, holders []pki.Holder, now time.Time, delivery time.Duration) {
	needed := map[string]time.Time{}
	for _, root := range decided.Former {
		needed[string(root.Raw)] = now
	}
	for raw, seen := range t.needed {
		if _, still := needed[raw]; still || now.Sub(seen) >= delivery || len(holders) == 0 {
			continue
		}
		root, err := x509.ParseCertificate([]byte(raw))
		if err == nil && !slices.ContainsFunc(decided.Roots, root.Equal) {
			needed[raw] = seen
			decided.Former, decided.Roots = append(decided.Former, root), append(decided.Roots, root)
		}
	}
	t.needed = needed
}

// ruling is who signs from now on: the chosen issuer when it may; until then whoever did, if it still can.
func (t *trust) ruling(chosen issuer.Issuer, roots []*x509.Certificate, now time.Time) issuer.Ruling {
	keeper, signs := chosen.(interface{ Snapshot() issuer.Signer })
	switch {
	case t.last.Signs && signs:
		return issuer.Ruling{Signer: keeper.Snapshot(), Authority: withRoots(t.next, roots)}
	case t.last.Signs:
		return issuer.Ruling{Authority: pki.Authority{Roots: roots, Accepted: t.next.Roots}}
	}
	former := t.current.Ruling()
	authority := withRoots(former.Authority, roots)
	if former.Signer == nil || authority.Usable(now) != nil {
		return issuer.Ruling{Authority: pki.Authority{Roots: roots}}
	}
	return issuer.Ruling{Signer: former.Signer, Authority: authority}
}

func withRoots(a pki.Authority, roots []*x509.Certificate) pki.Authority {
	return pki.Authority{Signer: a.Signer, Intermediates: a.Intermediates, Roots: roots}
}

// holders are the identities that the identity controller keeps up to date; others would be waited for in vain.
func (t *trust) holders(ctx context.Context) ([]pki.Holder, error) {
	var list corev1.SecretList
	if err := t.reader.List(ctx, &list, client.MatchingLabels{naming.LabelKind: naming.KindIdentity}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list identity Secrets: %w", err)
	}
	holders := make([]pki.Holder, 0, len(list.Items))
	for i := range list.Items {
		secret := &list.Items[i]
		owner := metav1.GetControllerOf(secret)
		if secret.DeletionTimestamp == nil && owner != nil && isIdentitySecretOf(secret, owner.Name) {
			holders = append(holders, pki.Holder{Cert: secret.Data[naming.FileCert], CA: secret.Data[naming.FileCA]})
		}
	}
	return holders, nil
}

// delivery is how long a Secret takes to those who use it: no time where no pod runs with one.
func (t *trust) delivery(ctx context.Context) (time.Duration, error) {
	var list corev1.PodList
	if err := t.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("list pods: %w", err)
	}
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.Status.Phase == corev1.PodRunning && slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == naming.VolumeTLS }) {
			return t.deliverable, nil
		}
	}
	return 0, nil
}

// rootsCondition tells how far a change of the root is.
func rootsCondition(r rotation, signer *x509.Certificate) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionRootsSettled, Status: metav1.ConditionFalse}
	switch {
	case r.Settled:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonSettled, "no former root is trusted"
	case !r.Signs:
		c.Reason = v1alpha1.ReasonPublishingRoots
		c.Message = "the roots of the new issuer are being delivered"
		if r.Next != nil {
			c.Message = fmt.Sprintf("%s signs once it is trusted everywhere, in running pods too", titleOf(r.Next))
		}
		if r.Untold > 0 {
			c.Message += fmt.Sprintf("; %d identities do not trust it yet", r.Untold)
		}
		if signer != nil {
			c.Message += fmt.Sprintf("; until then %s goes on signing", titleOf(signer))
		}
	default:
		c.Reason = v1alpha1.ReasonFormerRoots
		c.Message = "certificates are in use that lead to a former root:"
		for _, root := range r.Former {
			c.Message += " " + titleOf(root)
		}
	}
	return c
}

// titleOf tells apart CAs of the same subject.
func titleOf(cert *x509.Certificate) string {
	return fmt.Sprintf("%s (serial number %s)", cert.Subject, cert.SerialNumber.Text(16))
}

// sameAuthority compares what certificates are judged by.
func sameAuthority(a, b pki.Authority) bool {
	return a.Signer.Equal(b.Signer) && // nil equals nil
		bytes.Equal(pki.EncodeCertificates(a.Intermediates...), pki.EncodeCertificates(b.Intermediates...)) &&
		bytes.Equal(pki.EncodeCertificates(a.Roots...), pki.EncodeCertificates(b.Roots...)) &&
		bytes.Equal(pki.EncodeCertificates(a.Accepted...), pki.EncodeCertificates(b.Accepted...))
}
