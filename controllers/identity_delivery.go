package controllers

import (
	"bytes"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/issuer/certmanager"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// identityOrder is how the order of one identity with cert-manager stands.
type identityOrder struct {
	// Certificate as it is; nil where there is none. Want is as it should be.
	Certificate, Want *certmanagerv1.Certificate
	// Offer is what cert-manager has issued, as the identity Secret would hold it; Offered says that there is any.
	Offer   pki.Files
	Offered bool
	// Held: what the issuer signs is not trusted everywhere yet, so nothing of it is delivered.
	Held bool
	// Settled: cert-manager has done what it was asked for last.
	Settled bool
	// Problem with the order, as far as cert-manager tells.
	Problem *issuer.UnusableError
	// SlowAt is when an order that is neither settled nor in trouble will have taken too long, and Slow that it has.
	SlowAt time.Time
	Slow   bool
}

func newIdentityOrder(have, want *certmanagerv1.Certificate, f *identityFacts) *identityOrder {
	o := &identityOrder{Certificate: have, Want: want}
	if f.Issued != nil && certmanager.IsIssued(f.Issued) {
		o.Offer, o.Offered = certmanager.Offer(f.Issued, f.Want.Authority.Roots, f.Now)
	}
	if have != nil {
		progress := certmanager.ProgressOf(have)
		o.Settled, o.Problem, o.SlowAt = progress.Settled && certmanager.Same(have, want), progress.Problem, progress.SlowAt
	}
	o.Slow = !o.SlowAt.IsZero() && !f.Now.Before(o.SlowAt)
	return o
}

// orderAction is what to do about an order.
type orderAction int

const (
	// orderNothing: it stands as it should, or nobody knows yet how it should.
	orderNothing orderAction = iota
	// orderPrepare: there is nothing yet, not even the Secret that cert-manager will write.
	orderPrepare
	// orderAdopt: cert-manager made the Secret, and nobody owns it.
	orderAdopt
	// orderReplace: the Secret belongs to an earlier ServiceAccount of this name.
	orderReplace
	// orderPlace: the Certificate is missing, or not as it should be.
	orderPlace
	// orderRefuse: the Certificate is somebody else's, and is not touched.
	orderRefuse
	// orderCancel: nothing is to be ordered (any more).
	orderCancel
)

// decideOrder decides what to ask of cert-manager.
func decideOrder(f identityFacts) orderAction {
	ours := f.Issued != nil && certmanager.IsIssued(f.Issued)
	if ours && (!f.Wanted || f.Signing) {
		return orderCancel
	}
	if f.Order == nil {
		return orderNothing
	}
	have := f.Order.Certificate
	switch {
	case have != nil && !certmanager.IsIssued(have):
		return orderRefuse
	case have != nil && have.DeletionTimestamp != nil:
		return orderNothing
	case !ours:
		return orderPrepare
	}
	return placeOrder(f)
}

// placeOrder decides about an order whose Secret is prepared: the Secret belongs to the ServiceAccount before cert-manager
// is told of it.
func placeOrder(f identityFacts) orderAction {
	have, owner := f.Order.Certificate, metav1.GetControllerOf(f.Issued)
	switch {
	case owner != nil && owner.UID != f.ServiceAccount.UID:
		return orderReplace
	case owner == nil:
		return orderAdopt
	case have == nil || !certmanager.Same(have, f.Order.Want):
		return orderPlace
	}
	return orderNothing
}

// decideDelivery decides about an identity that cert-manager issues: what it has issued is delivered when it is in order, and
// only then. Everything else leaves what pods have as it is, and says why.
func decideDelivery(f identityFacts) identityDecision {
	o, have := f.Order, pki.Verdict{Reason: pki.Missing, Message: "there is no identity Secret"}
	if f.Secret != nil {
		have = pki.Judge(filesOf(f.Secret), *f.Want, f.Now)
	}
	offer := pki.Verdict{Reason: pki.Missing}
	if o.Offered {
		offer = pki.Judge(o.Offer, *f.Want, f.Now)
	}
	fit := offer.Reason == pki.Valid || offer.Reason == pki.RenewalDue // late is better than never
	switch {
	case o.Offered && fit && !o.Held && !delivered(f):
		return deliver(f, have, offer)
	case have.Reason == pki.RootsChanged:
		return identityDecision{Action: identityPublish, Reason: string(have.Reason), Message: have.Message, RenewAt: f.renewAt(have)}
	case o.Held && have.Reason == pki.Valid:
		return identityDecision{Action: identityKeep, RenewAt: f.renewAt(have)}
	case o.Held:
		return identityDecision{Action: identityAwait, Reason: v1alpha1.ReasonPublishingRoots, Message: "what the new issuer signs is not trusted everywhere yet"}
	}
	if problem := o.problem(offer, have); problem != nil {
		d := identityDecision{Action: identityFail, Reason: string(problem.Reason), Message: problem.Message}
		if have.Reason == pki.Valid {
			d.LookAgain = have.RenewAt
		}
		return d
	}
	if have.Reason == pki.Valid {
		return identityDecision{Action: identityKeep, RenewAt: f.renewAt(have), LookAgain: earlier(o.SlowAt, have.RenewAt), Open: !o.Settled}
	}
	return identityDecision{Action: identityAwait, Reason: "Issuing", Message: "cert-manager is issuing a certificate", LookAgain: o.SlowAt, Open: true}
}

// deliver writes what cert-manager has issued into the identity Secret.
func deliver(f identityFacts, have, offer pki.Verdict) identityDecision {
	d := identityDecision{Action: identityRenew, Reason: string(have.Reason), Message: have.Message, RenewAt: f.renewAt(offer)}
	if f.Secret == nil {
		d.Action = identityCreate
	}
	if have.Reason == pki.Valid {
		d.Reason = string(pki.RenewalDue)
	}
	return d
}

// delivered says that the identity Secret holds what was offered.
func delivered(f identityFacts) bool {
	return f.Secret != nil && bytes.Equal(f.Secret.Data[naming.FileCert], f.Order.Offer.Cert) &&
		bytes.Equal(f.Secret.Data[naming.FileKey], f.Order.Offer.Key)
}

// problem says why nothing can be delivered, nil where all is well or cert-manager is at work. What it has issued counts when
// it has issued it for the order as it is now, or takes too long to issue another.
func (o *identityOrder) problem(offer, have pki.Verdict) *issuer.UnusableError {
	bad := o.Offered && offer.Reason != pki.Valid && offer.Reason != pki.RenewalDue
	switch {
	case bad && (o.Settled || o.Slow):
		return &issuer.UnusableError{Reason: issuer.Reason(offer.Reason), Message: "what cert-manager issued is not used: " + offer.Message}
	case o.Problem != nil:
		return o.Problem
	case o.Settled && have.Reason == pki.RenewalDue:
		return &issuer.UnusableError{Reason: issuer.Reason(pki.RenewalDue), Message: "cert-manager has not renewed the certificate: " + have.Message}
	}
	return nil
}

// renewAt is when cert-manager will renew, as far as it says, or else when the verdict changes.
func (f identityFacts) renewAt(v pki.Verdict) time.Time {
	if c := f.Order.Certificate; c != nil && c.Status.RenewalTime != nil && c.Status.RenewalTime.After(f.Now) {
		return c.Status.RenewalTime.Time
	}
	return v.RenewAt
}

// earlier is the earlier of two moments, of which either may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
