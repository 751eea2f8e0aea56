package policy

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
)

// ShortestLifetime of a workload certificate outside of tests: kubelet needs up to 90 s to deliver a renewed Secret, and
// renewal must have time to fail and be tried again.
const ShortestLifetime = 10 * time.Minute

// CheckTrustDomain is what a TrustDomain says about itself: see CheckPeerAuthentication. shortest is the life that a workload
// certificate has at least: ShortestLifetime, if no test says otherwise.
func CheckTrustDomain(o *v1alpha1.TrustDomain, s Settings, shortest time.Duration) []Finding {
	if o == nil {
		return nil
	}
	c := newChecker(v1alpha1.KindTrustDomain, o, s)
	name := field.NewPath("metadata", "name")
	if _, err := identity.ParseTrustDomain(o.Name); err != nil {
		c.errorf(name, ReasonInvalid, "%v", err)
	}
	if o.Name != s.TrustDomain {
		c.warnf(name, ReasonNotServed, "the operator serves the trust domain %q: the object has no effect", s.TrustDomain)
	}
	at := field.NewPath("spec")
	c.aliases(at.Child("aliases"), o)
	c.issuer(at.Child("issuer"), &o.Spec.Issuer)
	c.lifetimes(at, &o.Spec, shortest)
	return c.findings
}

func (c *checker) aliases(at *field.Path, o *v1alpha1.TrustDomain) {
	c.atMost(at, len(o.Spec.Aliases), 16)
	for i, alias := range o.Spec.Aliases {
		if _, err := identity.ParseTrustDomain(alias); err != nil {
			c.errorf(at.Index(i), ReasonInvalid, "%v", err)
		} else if alias == o.Name || slices.Contains(o.Spec.Aliases[:i], alias) {
			c.errorf(at.Index(i), ReasonDuplicate, "%q is named already: remove it", alias)
		}
	}
}

func (c *checker) issuer(at *field.Path, issuer *v1alpha1.IssuerSpec) {
	switch cmp.Or(issuer.Type, v1alpha1.IssuerBuiltin) {
	case v1alpha1.IssuerBuiltin:
	case v1alpha1.IssuerCertManagerIntermediate, v1alpha1.IssuerCertManagerLeaf:
		of := at.Child("certManager")
		switch ref := issuer.CertManager; {
		case ref == nil || ref.IssuerRef.Name == "":
			c.errorf(of.Child("issuerRef"), ReasonRequired, "%s needs an issuer of cert-manager: name it", issuer.Type)
		case issuer.Type == v1alpha1.IssuerCertManagerIntermediate && ref.IssuerRef.Kind == "ClusterIssuer":
			c.errorf(of.Child("issuerRef", "kind"), ReasonInvalid, "every namespace can ask a ClusterIssuer for a CA: name an Issuer in the operator's namespace")
		case issuer.Type == v1alpha1.IssuerCertManagerLeaf && ref.Roots == "":
			c.errorf(of.Child("roots"), ReasonRequired, "an issuer need not tell its root: say whom workloads are to trust")
		}
	default:
		c.errorf(at.Child("type"), ReasonInvalid, "unknown type %q: write %s, %s or %s", issuer.Type,
			v1alpha1.IssuerBuiltin, v1alpha1.IssuerCertManagerIntermediate, v1alpha1.IssuerCertManagerLeaf)
	}
}

func (c *checker) lifetimes(at *field.Path, spec *v1alpha1.TrustDomainSpec, shortest time.Duration) {
	certificates := at.Child("workloadCertificates")
	switch algorithm := spec.WorkloadCertificates.KeyAlgorithm; cmp.Or(algorithm, v1alpha1.ECDSAP256) {
	case v1alpha1.ECDSAP256, v1alpha1.ECDSAP384, v1alpha1.Ed25519:
	default:
		c.errorf(certificates.Child("keyAlgorithm"), ReasonInvalid, "unknown algorithm %q: write %s, %s or %s", algorithm,
			v1alpha1.ECDSAP256, v1alpha1.ECDSAP384, v1alpha1.Ed25519)
	}
	leaf, ca := spec.WorkloadCertificates.Lifetime, spec.CA.Lifetime
	const longest = 90 * 24 * time.Hour
	switch {
	case leaf == nil:
		return
	case leaf.Duration < shortest:
		c.errorf(certificates.Child("lifetime"), ReasonInvalid,
			"%s is too short: kubelet needs up to 90s to deliver a renewed certificate; use at least %s", leaf.Duration, shortest)
	case leaf.Duration > longest:
		c.errorf(certificates.Child("lifetime"), ReasonInvalid, "%s is too long: use at most %s", leaf.Duration, longest)
	case ca != nil && ca.Duration < 2*leaf.Duration:
		c.warnf(at.Child("ca", "lifetime"), ReasonShortCA,
			"%s is less than two lives of a workload certificate (%s), which will end with the CA", ca.Duration, leaf.Duration)
	}
}
