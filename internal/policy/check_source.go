package policy

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/identity"
)

// valueField is a field whose values the engine parses. Parsing and matching are the same code, so that what is accepted
// here is what is enforced.
type valueField struct {
	name     string
	values   []string
	validate func(string) error
	// suspect says why a valid value is not what its author thinks; empty: nothing to say.
	suspect func(string) (Reason, string)
}

// fields checks the fields of a source or an operation; nothing says what is missing when none is set.
func (c *checker) fields(at *field.Path, fields []valueField, nothing string) {
	empty := true
	for _, f := range fields {
		empty = empty && len(f.values) == 0
	}
	if empty {
		c.errorf(at, ReasonRequired, "%s", nothing)
		return
	}
	for _, f := range fields {
		c.values(at.Child(f.name), f)
	}
}

func (c *checker) values(at *field.Path, f valueField) {
	if f.values != nil && len(f.values) == 0 {
		c.warnf(at, ReasonNoEffect, "an empty list restricts nothing, as if the field were absent: list values, or remove it")
	}
	for i, value := range f.values {
		if err := f.validate(value); err != nil {
			c.errorf(at.Index(i), valueReason(value), "%v", err)
			continue
		}
		if f.suspect == nil {
			continue
		}
		if reason, message := f.suspect(value); message != "" {
			c.warnf(at.Index(i), reason, "%s", message)
		}
	}
}

// valueReason classifies a value that the engine refused.
func valueReason(value string) Reason {
	switch {
	case strings.HasPrefix(value, "spiffe://"):
		return ReasonPrincipalScheme
	case strings.Contains(strings.TrimSuffix(value, "*"), "*") && !strings.ContainsAny(value, "{}"):
		return ReasonMiddleWildcard
	default:
		return ReasonInvalid
	}
}

func (c *checker) source(at *field.Path, s *v1alpha1.Source) {
	if s == nil {
		c.errorf(at, ReasonRequired, "the entry has no source: describe the peer, or remove the entry")
		return
	}
	refused := false
	for _, f := range []struct {
		name    string
		present bool
		why     string
	}{
		{"requestPrincipals", s.RequestPrincipals != nil, "Warifu verifies no JSON Web Tokens; use principals, or check tokens in the application"},
		{"notRequestPrincipals", s.NotRequestPrincipals != nil, "Warifu verifies no JSON Web Tokens; use notPrincipals, or check tokens in the application"},
		{"remoteIpBlocks", s.RemoteIPBlocks != nil, "nothing vouches for a forwarded address; use ipBlocks for the direct peer"},
		{"notRemoteIpBlocks", s.NotRemoteIPBlocks != nil, "nothing vouches for a forwarded address; use notIpBlocks for the direct peer"},
	} {
		if f.present {
			c.errorf(at.Child(f.name), ReasonUnsupported, "%s is not supported: %s", f.name, f.why)
			refused = true
		}
	}
	fields := c.sourceFields(s)
	if refused && slices.IndexFunc(fields, func(f valueField) bool { return len(f.values) > 0 }) < 0 {
		return
	}
	c.fields(at, fields, "the source says nothing about the peer: set one of its fields, or remove the entry")
	c.serviceAccounts(at, s)
}

func (c *checker) sourceFields(s *v1alpha1.Source) []valueField {
	return []valueField{
		{"principals", s.Principals, authz.ValidatePrincipal, c.suspectPrincipal},
		{"notPrincipals", s.NotPrincipals, authz.ValidatePrincipal, c.suspectPrincipal},
		{"namespaces", s.Namespaces, authz.ValidateNamespace, suspectNamespace},
		{"notNamespaces", s.NotNamespaces, authz.ValidateNamespace, suspectNamespace},
		{"serviceAccounts", s.ServiceAccounts, authz.ValidateServiceAccount, suspectServiceAccount},
		{"notServiceAccounts", s.NotServiceAccounts, authz.ValidateServiceAccount, suspectServiceAccount},
		{"trustDomains", s.TrustDomains, authz.ValidateTrustDomain, c.suspectTrustDomain},
		{"notTrustDomains", s.NotTrustDomains, authz.ValidateTrustDomain, c.suspectTrustDomain},
		{"ipBlocks", s.IPBlocks, validateIPBlock, nil},
		{"notIpBlocks", s.NotIPBlocks, validateIPBlock, nil},
	}
}

func validateIPBlock(value string) error {
	_, err := authz.ParseIPBlock(value)
	return err
}

// serviceAccounts checks what the model asks of these two fields beyond their syntax.
func (c *checker) serviceAccounts(at *field.Path, s *v1alpha1.Source) {
	const maxAccounts, maxLength = 16, 320
	for _, f := range []valueField{{name: "serviceAccounts", values: s.ServiceAccounts}, {name: "notServiceAccounts", values: s.NotServiceAccounts}} {
		at := at.Child(f.name)
		c.atMost(at, len(f.values), maxAccounts)
		for i, value := range f.values {
			if len(value) > maxLength {
				c.errorf(at.Index(i), ReasonInvalid, "a service account with its namespace has at most %d characters", maxLength)
			}
		}
		if len(f.values) > 0 && len(s.Principals)+len(s.NotPrincipals)+len(s.Namespaces)+len(s.NotNamespaces) > 0 {
			c.errorf(at, ReasonExclusive, "%s cannot stand beside principals or namespaces in one source: write the namespace into the service account (namespace/name), or use two sources", f.name)
		}
	}
}

func suspectNamespace(value string) (Reason, string) {
	if !strings.Contains(value, "*") && len(validation.IsDNS1123Label(value)) > 0 {
		return ReasonNeverMatches, "no namespace can have this name: it has 1 to 63 lower-case letters, digits and inner dashes"
	}
	return "", ""
}

func suspectServiceAccount(value string) (Reason, string) {
	namespace, name, full := strings.Cut(value, "/")
	if !full {
		namespace, name = "default", value
	}
	if _, err := identity.New(localDomain, namespace, name); err != nil {
		return ReasonNeverMatches, "no service account can have this name: " + err.Error()
	}
	return "", ""
}

func (c *checker) suspectTrustDomain(value string) (Reason, string) {
	if strings.Contains(value, "*") || c.settings.TrustDomain == "" || slices.Contains(trustDomainsOf(c.settings), value) {
		return "", ""
	}
	return ReasonUnknownTrustDomain, "peers of the trust domain " + value + " are not accepted, so the value never matches: the mesh's own is " +
		c.settings.TrustDomain + "; list a former name in the aliases of its TrustDomain"
}

func (c *checker) suspectPrincipal(value string) (Reason, string) {
	if !canBePrincipal(value) {
		return ReasonNeverMatches, "no workload has such a principal: it is <trust domain>/ns/<namespace>/sa/<service account>"
	}
	domain, _, whole := strings.Cut(value, "/")
	if !whole || domain == localDomain {
		return "", ""
	}
	return c.suspectTrustDomain(domain)
}

// canBePrincipal says whether some principal <trust domain>/ns/<namespace>/sa/<service account> matches the pattern.
func canBePrincipal(pattern string) bool {
	fixed := [5]string{1: "ns", 3: "sa"}
	partial := strings.HasPrefix
	text, isPattern := strings.CutSuffix(pattern, "*")
	if rest, ok := strings.CutPrefix(pattern, "*"); ok && !isPattern {
		text, isPattern, partial = rest, true, strings.HasSuffix
	}
	if !isPattern {
		_, err := identity.Parse("spiffe://" + pattern)
		return err == nil
	}
	segments := strings.Split(text, "/")
	if len(segments) > len(fixed) {
		return false
	}
	offset, cut := 0, len(segments)-1 // the segment next to the * may be a part of one
	if pattern[0] == '*' {
		offset, cut = len(fixed)-len(segments), 0
	}
	for i, segment := range segments {
		want := fixed[offset+i]
		if want != "" && segment != want && (i != cut || !partial(want, segment)) {
			return false
		}
	}
	return true
}
