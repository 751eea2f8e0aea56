package authz

import (
	"errors"
	"fmt"
	"strings"
)

const spiffeScheme = "spiffe://"

// ValidatePrincipal checks a value of principals and source.principal: a SPIFFE ID without its scheme. The model compares a
// value with a scheme to nothing, silently; here it is refused.
func ValidatePrincipal(value string) error {
	_, err := parsePrincipal(value)
	return err
}

func parsePrincipal(value string) (pattern, error) {
	if bare, ok := strings.CutPrefix(value, spiffeScheme); ok {
		return pattern{}, fmt.Errorf("%q: principals are written without spiffe://: %q", value, bare)
	}
	return parsePattern(value)
}

// ValidateNamespace checks a value of namespaces and source.namespace.
func ValidateNamespace(value string) error {
	_, err := parseName(value)
	return err
}

// ValidateTrustDomain checks a value of trustDomains and source.trustDomain.
func ValidateTrustDomain(value string) error {
	_, err := parseName(value)
	return err
}

// parseName parses a pattern for one segment of a SPIFFE ID.
func parseName(value string) (pattern, error) {
	if strings.Contains(value, "/") {
		return pattern{}, fmt.Errorf("%q must not contain a /", value)
	}
	return parsePattern(value)
}

// ValidateServiceAccount checks a value of serviceAccounts and source.serviceAccount: namespace/name, or name for the
// namespace of the policy. There are no patterns, and a dot is a dot.
func ValidateServiceAccount(value string) error {
	_, err := parseServiceAccount(value)
	return err
}

// serviceAccount is one value of serviceAccounts. The namespace is empty for the short form, which the compiler resolves.
type serviceAccount struct{ namespace, name string }

func parseServiceAccount(value string) (serviceAccount, error) {
	namespace, name, full := strings.Cut(value, "/")
	if !full {
		namespace, name = "", value
	}
	switch {
	case value == "":
		return serviceAccount{}, errEmptyValue
	case strings.Contains(value, "*"):
		return serviceAccount{}, fmt.Errorf("%q: service accounts take no *: use namespaces or principals", value)
	case name == "" || full && namespace == "" || strings.Contains(name, "/"):
		return serviceAccount{}, fmt.Errorf("%q is not of the form namespace/name", value)
	}
	return serviceAccount{namespace, name}, nil
}

var errShortServiceAccount = errors.New("a service account must carry its namespace here: namespace/name")

// peerIdentity is a proven SPIFFE ID in the parts that policies name. Its zero value is a peer without identity.
type peerIdentity struct {
	principal   string // the ID without its scheme
	trustDomain string
	// namespace and account are empty for an ID that is not of the form spiffe://<trust domain>/ns/<namespace>/sa/<name>.
	namespace, account string
}

// splitIdentity cuts and copies nothing. What is not a SPIFFE ID is no identity.
func splitIdentity(id string) peerIdentity {
	principal, ok := strings.CutPrefix(id, spiffeScheme)
	if !ok {
		return peerIdentity{}
	}
	trustDomain, path, _ := strings.Cut(principal, "/")
	if trustDomain == "" {
		return peerIdentity{}
	}
	p := peerIdentity{principal: principal, trustDomain: trustDomain}
	path, ok = strings.CutPrefix(path, "ns/")
	namespace, path, _ := strings.Cut(path, "/")
	account, isAccount := strings.CutPrefix(path, "sa/")
	if ok && isAccount && namespace != "" && account != "" && !strings.Contains(account, "/") {
		p.namespace, p.account = namespace, account
	}
	return p
}
