package webhooks

import (
	"maps"
	"slices"
	"time"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// trustDomain is what a TrustDomain says about itself.
func (o Options) trustDomain(object *v1alpha1.TrustDomain) []policy.Finding {
	shortest := policy.ShortestLifetime
	if o.AllowShortLifetimes {
		shortest = 0
	}
	findings := policy.CheckTrustDomain(object, o.Policy, shortest)
	roots := map[string]string{"spec.additionalRoots": object.Spec.AdditionalRoots}
	if o := object.Spec.Issuer.CertManager; o != nil {
		roots["spec.issuer.certManager.roots"] = o.Roots
	}
	for _, field := range slices.Sorted(maps.Keys(roots)) {
		if _, err := pki.ParseRoots([]byte(roots[field]), time.Now()); err != nil {
			findings = append(findings, policy.Finding{
				Object:   proxyconfig.ObjectRef{Kind: v1alpha1.KindTrustDomain, Name: object.Name},
				Severity: policy.SeverityError, Field: field, Reason: policy.ReasonInvalid, Message: err.Error(),
			})
		}
	}
	return findings
}
