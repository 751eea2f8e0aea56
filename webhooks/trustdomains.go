package webhooks

import (
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
	if _, err := pki.ParseRoots([]byte(object.Spec.AdditionalRoots), time.Now()); err != nil {
		findings = append(findings, policy.Finding{
			Object:   proxyconfig.ObjectRef{Kind: v1alpha1.KindTrustDomain, Name: object.Name},
			Severity: policy.SeverityError, Field: "spec.additionalRoots", Reason: policy.ReasonInvalid, Message: err.Error(),
		})
	}
	return findings
}
