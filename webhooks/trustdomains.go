package webhooks

import (
	"fmt"
	"slices"
	"time"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Reasons of findings about a TrustDomain.
const (
	// reasonTrustDomain: the object's name is not a trust domain.
	reasonTrustDomain policy.Reason = "InvalidTrustDomain"
	// reasonAlias: an alias is not a trust domain, or is the object's own.
	reasonAlias policy.Reason = "InvalidAlias"
	// reasonLifetime: workload certificates would expire before they can be delivered twice, or the CA before them.
	reasonLifetime policy.Reason = "InvalidLifetime"
	// reasonRoots: additional roots are not CA certificates that are valid now, or too many.
	reasonRoots policy.Reason = "InvalidRoots"
	// reasonNotServed: the operator serves another trust domain, so the object has no effect.
	reasonNotServed policy.Reason = "NotServed"
)

// shortestLifetime of a workload certificate: kubelet needs up to 90 s to deliver a renewed Secret, and renewal must have
// time to fail and be tried again.
const shortestLifetime = 10 * time.Minute

// trustDomain is what a TrustDomain says about itself.
func (o Options) trustDomain(object *v1alpha1.TrustDomain) []policy.Finding {
	var findings []policy.Finding
	add := func(severity policy.Severity, field string, reason policy.Reason, format string, args ...any) {
		findings = append(findings, policy.Finding{
			Object:   proxyconfig.ObjectRef{Kind: v1alpha1.KindTrustDomain, Name: object.Name},
			Severity: severity, Field: field, Reason: reason, Message: fmt.Sprintf(format, args...),
		})
	}
	if _, err := identity.ParseTrustDomain(object.Name); err != nil {
		add(policy.SeverityError, "metadata.name", reasonTrustDomain, "%v", err)
	}
	if object.Name != o.Policy.TrustDomain {
		add(policy.SeverityWarning, "metadata.name", reasonNotServed,
			"this operator serves the trust domain %q; the object has no effect", o.Policy.TrustDomain)
	}
	for i, alias := range object.Spec.Aliases {
		field := fmt.Sprintf("spec.aliases[%d]", i)
		if _, err := identity.ParseTrustDomain(alias); err != nil {
			add(policy.SeverityError, field, reasonAlias, "%v", err)
		} else if alias == object.Name || slices.Contains(object.Spec.Aliases[:i], alias) {
			add(policy.SeverityError, field, reasonAlias, "%q is named already; remove it", alias)
		}
	}
	if _, err := pki.ParseRoots([]byte(object.Spec.AdditionalRoots), time.Now()); err != nil {
		add(policy.SeverityError, "spec.additionalRoots", reasonRoots, "%v", err)
	}
	leaf, ca := object.Spec.WorkloadCertificates.Lifetime, object.Spec.CA.Lifetime
	if leaf != nil && leaf.Duration < shortestLifetime && !o.AllowShortLifetimes {
		add(policy.SeverityError, "spec.workloadCertificates.lifetime", reasonLifetime,
			"%s is too short: kubelet needs up to 90s to deliver a renewed certificate; use at least %s", leaf.Duration, shortestLifetime)
	}
	if leaf != nil && ca != nil && ca.Duration < 2*leaf.Duration {
		add(policy.SeverityWarning, "spec.ca.lifetime", reasonLifetime,
			"%s is less than two lives of a workload certificate (%s), which will end with the CA", ca.Duration, leaf.Duration)
	}
	return findings
}
