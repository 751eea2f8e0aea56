package identity

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// TrustDomain is the name of a trust domain, "cluster.local" for example. Use ParseTrustDomain to make one from input.
type TrustDomain string

// maxTrustDomain is the longest trust domain, in bytes (SPIFFE ID specification, section 2.1).
const maxTrustDomain = 255

// ParseTrustDomain accepts a bare name: lower-case letters, digits, dots, dashes and underscores. It takes no URI.
func ParseTrustDomain(s string) (TrustDomain, error) {
	if strings.Contains(s, ":") {
		return "", fmt.Errorf("trust domain %q: a name such as cluster.local is wanted, not a URI", s)
	}
	if len(s) > maxTrustDomain {
		return "", fmt.Errorf("trust domain of %d bytes: at most %d are allowed", len(s), maxTrustDomain)
	}
	if _, err := spiffeid.TrustDomainFromString(s); err != nil {
		return "", fmt.Errorf("trust domain %q: %w", s, err)
	}
	return TrustDomain(s), nil
}

// ID is the identity of a ServiceAccount. IDs are comparable with ==; the zero value names nobody.
type ID struct {
	trustDomain    TrustDomain
	namespace      string
	serviceAccount string
}

// New is the identity of a ServiceAccount in a trust domain.
func New(td TrustDomain, namespace, serviceAccount string) (ID, error) {
	if _, err := ParseTrustDomain(string(td)); err != nil {
		return ID{}, err
	}
	if !isDNSLabel(namespace) {
		return ID{}, fmt.Errorf("namespace %q is not a DNS label", namespace)
	}
	if !isDNSSubdomain(serviceAccount) {
		return ID{}, fmt.Errorf("service account %q is not a DNS subdomain", serviceAccount)
	}
	return ID{trustDomain: td, namespace: namespace, serviceAccount: serviceAccount}, nil
}

// errForm tells what an ID looks like.
var errForm = errors.New("want spiffe://<trust domain>/ns/<namespace>/sa/<service account>")

// Parse reads a SPIFFE ID and accepts exactly the strings that String writes.
func Parse(s string) (ID, error) {
	parsed, err := spiffeid.FromString(s)
	if err != nil {
		return ID{}, fmt.Errorf("SPIFFE ID %q: %w", clip(s), err)
	}
	segments := strings.Split(parsed.Path(), "/")
	if len(segments) != 5 || segments[1] != "ns" || segments[3] != "sa" {
		return ID{}, fmt.Errorf("SPIFFE ID %q: %w", clip(s), errForm)
	}
	id, err := New(TrustDomain(parsed.TrustDomain().Name()), segments[2], segments[4])
	if err != nil {
		return ID{}, fmt.Errorf("SPIFFE ID %q: %w", clip(s), err)
	}
	return id, nil
}

// TrustDomain of the ServiceAccount.
func (id ID) TrustDomain() TrustDomain { return id.trustDomain }

// Namespace of the ServiceAccount.
func (id ID) Namespace() string { return id.namespace }

// ServiceAccount is its name.
func (id ID) ServiceAccount() string { return id.serviceAccount }

// IsZero says that the ID names nobody.
func (id ID) IsZero() bool { return id == ID{} }

// String writes the SPIFFE ID; "" for the zero value.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return "spiffe://" + string(id.trustDomain) + id.path()
}

// Principal is the ID as policies write it: without the scheme.
func (id ID) Principal() string { return strings.TrimPrefix(id.String(), "spiffe://") }

// URL is the ID for a certificate's URI SAN.
func (id ID) URL() *url.URL {
	return &url.URL{Scheme: "spiffe", Host: string(id.trustDomain), Path: id.path()}
}

func (id ID) path() string { return "/ns/" + id.namespace + "/sa/" + id.serviceAccount }

// clip bounds what an error repeats of hostile input.
func clip(s string) string {
	const longest = 300
	if len(s) > longest {
		return s[:longest] + "…"
	}
	return s
}

// isDNSLabel follows RFC 1123, as Kubernetes does for namespaces.
func isDNSLabel(s string) bool { return len(s) <= 63 && isLabel(s) }

// isDNSSubdomain follows RFC 1123, as Kubernetes does for ServiceAccounts: at most 253 bytes in all, labels of any length.
func isDNSSubdomain(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
