package controllers

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/pki"
)

// Lifetimes. The defaults are those of the kind, for an object that was stored before it had them.
const (
	defaultCALifetime       = 87600 * time.Hour
	defaultWorkloadLifetime = 24 * time.Hour
	// minWorkloadLifetime leaves kubelet, which needs up to 90 s for each, the time to deliver two generations.
	minWorkloadLifetime = 10 * time.Minute
	// minCertManagerLifetime is the least that cert-manager's admission lets a Certificate ask for.
	minCertManagerLifetime = time.Hour
)

// defaultSettings hold where a spec says nothing, or nothing valid.
var defaultSettings = identitySettings{Algorithm: pki.ECDSAP256, Lifetime: defaultWorkloadLifetime}

// settingsOf reads what the spec says about workload certificates, or the problem: the field, what is wrong and the way out.
func settingsOf(spec v1alpha1.TrustDomainSpec, allowShortLifetimes bool) (identitySettings, string) {
	settings := identitySettings{
		Algorithm: pki.KeyAlgorithm(spec.WorkloadCertificates.KeyAlgorithm),
		Lifetime:  lifetimeOr(spec.WorkloadCertificates.Lifetime, defaultWorkloadLifetime),

		AdditionalRoots: spec.AdditionalRoots,
	}
	switch settings.Algorithm {
	case pki.ECDSAP256, pki.ECDSAP384, pki.Ed25519:
	case "":
		settings.Algorithm = defaultSettings.Algorithm
	default:
		return settings, fmt.Sprintf("spec.workloadCertificates.keyAlgorithm: %q is not known; use %s, %s or %s",
			settings.Algorithm, pki.ECDSAP256, pki.ECDSAP384, pki.Ed25519)
	}
	if settings.Lifetime < minWorkloadLifetime && !allowShortLifetimes {
		return settings, fmt.Sprintf("spec.workloadCertificates.lifetime: %s is less than %s, and kubelet needs up to 90s to deliver a renewed Secret; use %s or more (only tests start the operator with --allow-short-lifetimes)",
			settings.Lifetime, minWorkloadLifetime, minWorkloadLifetime)
	}
	if problem := issuerProblem(spec, settings.Lifetime, allowShortLifetimes); problem != "" {
		return settings, problem
	}
	if _, err := pki.ParseRoots([]byte(spec.AdditionalRoots), time.Time{}); err != nil {
		return settings, fmt.Sprintf("spec.additionalRoots: %v", err)
	}
	for i, alias := range spec.Aliases {
		if _, err := identity.ParseTrustDomain(alias); err != nil {
			return settings, fmt.Sprintf("spec.aliases[%d]: %v", i, err)
		}
	}
	return settings, ""
}

// issuerProblem is what is wrong with spec.issuer.
func issuerProblem(spec v1alpha1.TrustDomainSpec, lifetime time.Duration, allowShortLifetimes bool) string {
	switch kind := spec.Issuer.Type; {
	case kind == "" || kind == v1alpha1.IssuerBuiltin:
	case kind != v1alpha1.IssuerCertManagerIntermediate && kind != v1alpha1.IssuerCertManagerLeaf:
		return fmt.Sprintf("spec.issuer.type: %q is not known; use %s, %s or %s", kind,
			v1alpha1.IssuerBuiltin, v1alpha1.IssuerCertManagerIntermediate, v1alpha1.IssuerCertManagerLeaf)
	case spec.Issuer.CertManager == nil:
		return fmt.Sprintf("spec.issuer.certManager: with the type %s it says which issuer", kind)
	case kind == v1alpha1.IssuerCertManagerLeaf && spec.Issuer.CertManager.Roots == "":
		return "spec.issuer.certManager.roots: whom workloads trust has to be said, because an issuer need not tell its root"
	case kind == v1alpha1.IssuerCertManagerLeaf && lifetime < minCertManagerLifetime && !allowShortLifetimes:
		return fmt.Sprintf("spec.workloadCertificates.lifetime: %s is less than cert-manager issues; use %s or more", lifetime, minCertManagerLifetime)
	}
	return ""
}

func lifetimeOr(d *metav1.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.Duration
}

// trustDomainFacts is all that a TrustDomain's status depends on.
type trustDomainFacts struct {
	Object *v1alpha1.TrustDomain
	// Served says that it is the operator's own.
	Served bool
	// Problem with the spec; "" where there is none.
	Problem string
	// LoadErr is what loading the CA said, Authority what signs; nil where nothing does.
	LoadErr   error
	Authority *pki.Authority
	// IssuerProblem is what keeps cert-manager from doing its part, LookAgain when to look at it again.
	IssuerProblem *issuer.UnusableError
	LookAgain     time.Duration
	// Rotation is how far a change of the root is.
	Rotation rotation
	Counts   identityCounts
	Now      time.Time
}

// lookAgain is when the status may change though nothing is written: a CA expires by itself.
func (f trustDomainFacts) lookAgain() time.Duration {
	if !f.Served {
		return 0
	}
	again := resync
	if f.LookAgain > 0 {
		again = f.LookAgain
	}
	if f.Authority != nil && f.Authority.Signer != nil {
		again = min(again, f.Authority.Signer.NotAfter.Sub(f.Now))
	}
	if f.Authority != nil && !f.Rotation.Settled {
		again = min(again, rotationPoll)
	}
	return max(time.Second, again)
}

// certManager says that the spec asks for one of cert-manager's issuers.
func (f trustDomainFacts) certManager() bool {
	return f.Object.Spec.Issuer.Type != "" && f.Object.Spec.Issuer.Type != v1alpha1.IssuerBuiltin && f.Object.Spec.Issuer.CertManager != nil
}

// trustDomainStatus is the whole status. The object is not changed.
func trustDomainStatus(f trustDomainFacts) v1alpha1.TrustDomainStatus {
	old := f.Object.Status
	out := v1alpha1.TrustDomainStatus{ObservedGeneration: f.Object.Generation}
	out.Conditions = append(out.Conditions, old.Conditions...)
	set := func(c metav1.Condition) {
		c.ObservedGeneration = f.Object.Generation
		c.LastTransitionTime = metav1.NewTime(f.Now.Truncate(time.Second))
		meta.SetStatusCondition(&out.Conditions, c)
	}
	set(readyCondition(f))
	if !f.Served {
		meta.RemoveStatusCondition(&out.Conditions, v1alpha1.ConditionIdentitiesIssued)
		meta.RemoveStatusCondition(&out.Conditions, v1alpha1.ConditionIssuerReady)
		meta.RemoveStatusCondition(&out.Conditions, v1alpha1.ConditionRootsSettled)
		return out
	}
	if f.certManager() {
		set(issuerCondition(f))
	} else {
		meta.RemoveStatusCondition(&out.Conditions, v1alpha1.ConditionIssuerReady)
	}
	set(issuedCondition(f.Counts))
	// The roots stay when the CA cannot be used: what was issued still verifies by them.
	out.Roots, out.Issuer = old.Roots, old.Issuer
	if f.Authority != nil {
		out.Roots, out.Issuer = nil, f.Object.Spec.Issuer.Type
		for _, root := range f.Authority.Roots {
			out.Roots = append(out.Roots, certificateStatus(root))
		}
	}
	if f.Authority != nil {
		set(rootsCondition(f.Rotation, f.Authority.Signer))
	}
	if f.Authority != nil && f.Authority.Signer != nil {
		signer := certificateStatus(f.Authority.Signer)
		out.Signer = &signer
	}
	out.Identities = v1alpha1.IdentityStatus{Issued: f.Counts.Issued, Pending: f.Counts.Pending, Failed: f.Counts.Failed}
	if !f.Counts.NextRenewal.IsZero() {
		next := metav1.NewTime(f.Counts.NextRenewal.Truncate(time.Second))
		out.Identities.NextRenewal = &next
	}
	return out
}

func readyCondition(f trustDomainFacts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse}
	switch {
	case !f.Served:
		c.Reason = v1alpha1.ReasonNotServed
		c.Message = "this operator serves another trust domain, the one it was started with (--trust-domain)"
	case f.Problem != "":
		c.Reason, c.Message = v1alpha1.ReasonInvalidSpec, f.Problem
	case f.LoadErr != nil:
		c.Reason, c.Message = string(issuer.ReasonOf(f.LoadErr)), f.LoadErr.Error()
		if c.Reason == "" {
			c.Reason = v1alpha1.ReasonAPIError
		}
	case f.Authority.Signer == nil && f.Rotation.Next != nil:
		c.Reason = v1alpha1.ReasonPublishingRoots
		c.Message = fmt.Sprintf("%s signs once it is trusted everywhere", titleOf(f.Rotation.Next))
	case f.Authority.Signer == nil:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonReady
		c.Message = fmt.Sprintf("%s issues through cert-manager, and nobody but Warifu approves", issuerName(f.Object.Spec.Issuer))
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonReady
		c.Message = fmt.Sprintf("%s signs until %s", f.Authority.Signer.Subject, f.Authority.Signer.NotAfter.UTC().Format(time.RFC3339))
	}
	return c
}

// issuerCondition is how cert-manager and its issuer do, which may differ from Ready: a CA that they issued serves while they
// are away.
func issuerCondition(f trustDomainFacts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionIssuerReady, Status: metav1.ConditionFalse}
	switch {
	case f.IssuerProblem != nil:
		c.Reason, c.Message = string(f.IssuerProblem.Reason), f.IssuerProblem.Message
	case f.LoadErr != nil && issuer.ReasonOf(f.LoadErr) == "":
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, v1alpha1.ReasonAPIError, f.LoadErr.Error()
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonReady
		c.Message = issuerName(f.Object.Spec.Issuer) + " does its part"
	}
	return c
}

func issuerName(spec v1alpha1.IssuerSpec) string {
	return spec.CertManager.IssuerRef.Kind + " " + spec.CertManager.IssuerRef.Name
}

func issuedCondition(counts identityCounts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionIdentitiesIssued, Status: metav1.ConditionFalse}
	switch {
	case counts.Failed > 0:
		c.Reason = counts.FailureReason
		c.Message = strings.Join(counts.Failures, "; ")
		if more := int(counts.Failed) - len(counts.Failures); more > 0 {
			c.Message += fmt.Sprintf("; and %d more", more)
		}
	case counts.Pending > 0:
		c.Reason, c.Message = v1alpha1.ReasonPending, "some ServiceAccounts wait for their identity"
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonIssued
		c.Message = "every ServiceAccount that is to have an identity has one"
	}
	return c
}

func certificateStatus(cert *x509.Certificate) v1alpha1.CertificateStatus {
	sum := sha256.Sum256(cert.Raw)
	return v1alpha1.CertificateStatus{
		Subject:      cert.Subject.String(),
		SHA256:       hex.EncodeToString(sum[:]),
		SerialNumber: cert.SerialNumber.Text(16),
		NotBefore:    metav1.NewTime(cert.NotBefore),
		NotAfter:     metav1.NewTime(cert.NotAfter),
	}
}
