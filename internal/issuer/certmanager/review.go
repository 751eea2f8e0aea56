package certmanager

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
)

// Approver is the reason of the condition Approved that we set: by it our approvals are told from those of others.
const Approver = naming.Group

// Denial is why a request is denied: the reason of the condition Denied, of the event and of the metric.
type Denial string

// The denials. Granted is the absence of one.
const (
	Granted Denial = ""
	// DeniedUnreadable: the request does not parse, or is not signed by its own key.
	DeniedUnreadable Denial = "Unreadable"
	// DeniedNames: it asks for anything but exactly one SPIFFE ID of this trust domain.
	DeniedNames Denial = "Names"
	// DeniedNamespace: it asks for an identity of another namespace.
	DeniedNamespace Denial = "Namespace"
	// DeniedServiceAccount: the ServiceAccount does not exist or is to have no identity.
	DeniedServiceAccount Denial = "ServiceAccount"
	// DeniedCA: it asks for a CA.
	DeniedCA Denial = "CA"
	// DeniedUsages: it asks for other usages, or extensions, than a workload certificate has.
	DeniedUsages Denial = "Usages"
	// DeniedLifetime: it asks for another lifetime.
	DeniedLifetime Denial = "Lifetime"
	// DeniedOrigin: it does not come from the Certificate that Warifu made for the ServiceAccount.
	DeniedOrigin Denial = "Origin"
	// DeniedKey: its key is not the one that cert-manager made for that Certificate.
	DeniedKey Denial = "Key"
)

// Decision about a request.
type Decision struct {
	Denial  Denial
	Message string
}

func deny(denial Denial, format string, args ...any) Decision {
	return Decision{Denial: denial, Message: fmt.Sprintf(format, args...)}
}

// Asked is what a request asks for.
type Asked struct {
	Request *certmanagerv1.CertificateRequest
	CSR     *x509.CertificateRequest
	ID      identity.ID
}

// Read reads a request and decides what can be decided by the request alone.
func Read(request *certmanagerv1.CertificateRequest, trustDomain identity.TrustDomain) (Asked, Decision) {
	csr, err := parseCSR(request.Spec.Request)
	if err != nil {
		return Asked{}, deny(DeniedUnreadable, "%v", err)
	}
	id, err := identity.FromRequest(csr)
	switch {
	case err != nil:
		return Asked{}, deny(DeniedNames, "%v", err)
	case id.TrustDomain() != trustDomain:
		return Asked{}, deny(DeniedNames, "the request names %s, which is not in the trust domain %s", id, trustDomain)
	case !bytes.Equal(csr.RawSubject, emptySubject):
		return Asked{}, deny(DeniedNames, "the request has the subject %q; a workload certificate has none", csr.Subject)
	case id.Namespace() != request.Namespace:
		return Asked{}, deny(DeniedNamespace, "the request is in the namespace %s and names %s", request.Namespace, id)
	case request.Spec.IsCA:
		return Asked{}, deny(DeniedCA, "the request is for a CA")
	case !sameUsages(request.Spec.Usages, leafUsages):
		return Asked{}, deny(DeniedUsages, "the request is for the usages %q; a workload certificate has %q", request.Spec.Usages, leafUsages)
	}
	if err := onlyKnownExtensions(csr); err != nil {
		return Asked{}, deny(DeniedUsages, "%v", err)
	}
	return Asked{Request: request, CSR: csr, ID: id}, Decision{}
}

// Circumstances are what else a decision depends on.
type Circumstances struct {
	// Want is the Certificate that the ServiceAccount should have; nil where it does not exist or is to have no identity.
	Want *certmanagerv1.Certificate
	// Certificate that the request says to come from; nil where there is none.
	Certificate *certmanagerv1.Certificate
	// NextKey is the public half of the key that cert-manager holds ready for that Certificate; nil where there is none.
	NextKey crypto.PublicKey
}

// Review decides about a request that Read has let pass: it has to come from the Certificate that we made for this
// ServiceAccount, which has to be as we made it, with the key that cert-manager made for it. Whoever could forge that may read
// Secrets in the namespace, and with them the identity itself.
func Review(asked Asked, c Circumstances) Decision {
	request := asked.Request
	switch {
	case c.Want == nil:
		return deny(DeniedServiceAccount, "%s is to have no identity: its ServiceAccount does not exist or has not opted in", asked.ID)
	case request.Spec.Duration == nil || request.Spec.Duration.Duration != c.Want.Spec.Duration.Duration:
		return deny(DeniedLifetime, "the request is for another lifetime than %s", c.Want.Spec.Duration.Duration)
	case c.Certificate == nil:
		return deny(DeniedOrigin, "the request does not come from a Certificate that exists")
	case c.Certificate.Name != c.Want.Name || c.Certificate.Namespace != c.Want.Namespace:
		return deny(DeniedOrigin, "the request comes from the Certificate %s; the one that Warifu made is %s", c.Certificate.Name, c.Want.Name)
	case !Same(c.Certificate, c.Want):
		return deny(DeniedOrigin, "the Certificate %s is not as Warifu made it", c.Certificate.Name)
	}
	return reviewKey(asked.CSR, c.NextKey)
}

// ReviewIntermediate decides about a request for the operator's own CA. What is not its own is nobody's concern here, and is
// reported as such, not denied.
func ReviewIntermediate(request *certmanagerv1.CertificateRequest, c Circumstances) Decision {
	csr, err := parseCSR(request.Spec.Request)
	switch {
	case err != nil:
		return deny(DeniedUnreadable, "%v", err)
	case c.Certificate == nil || c.Want == nil || !Same(c.Certificate, c.Want):
		return deny(DeniedOrigin, "the request does not come from the Certificate that Warifu made")
	case !request.Spec.IsCA || len(csr.DNSNames)+len(csr.URIs)+len(csr.IPAddresses)+len(csr.EmailAddresses) != 0:
		return deny(DeniedNames, "the request is not for the operator's CA")
	case request.Spec.Duration == nil || request.Spec.Duration.Duration != c.Want.Spec.Duration.Duration:
		return deny(DeniedLifetime, "the request is for another lifetime than %s", c.Want.Spec.Duration.Duration)
	}
	return reviewKey(csr, c.NextKey)
}

func reviewKey(csr *x509.CertificateRequest, next crypto.PublicKey) Decision {
	key, comparable := next.(interface{ Equal(crypto.PublicKey) bool })
	if !comparable || !key.Equal(csr.PublicKey) {
		return deny(DeniedKey, "the key of the request is not the one that cert-manager made for the Certificate")
	}
	return Decision{}
}

// OriginOf is the name and uid of the Certificate that a request says to come from.
func OriginOf(request *certmanagerv1.CertificateRequest) *metav1.OwnerReference {
	owner := metav1.GetControllerOf(request)
	if owner == nil || owner.Kind != certmanagerv1.CertificateKind || owner.APIVersion != certmanagerv1.SchemeGroupVersion.String() {
		return nil
	}
	return owner
}

// Decided says who decided about a request: the reason of its condition Approved or Denied.
func Decided(request *certmanagerv1.CertificateRequest) (reason string, approved, decided bool) {
	if c := requestCondition(request, certmanagerv1.CertificateRequestConditionApproved); c != nil {
		return c.Reason, true, true
	}
	if c := requestCondition(request, certmanagerv1.CertificateRequestConditionDenied); c != nil {
		return c.Reason, false, true
	}
	return "", false, false
}

// IsCanary says that a request is on trial: it is neither approved nor denied.
func IsCanary(request *certmanagerv1.CertificateRequest, namespace string) bool {
	return request.Namespace == namespace && request.Name == naming.RequestCanary
}

// WithDecision is the request with the condition that carries a decision.
func WithDecision(request *certmanagerv1.CertificateRequest, d Decision, now time.Time) *certmanagerv1.CertificateRequest {
	out, at := request.DeepCopy(), metav1.NewTime(now)
	c := certmanagerv1.CertificateRequestCondition{
		Type: certmanagerv1.CertificateRequestConditionApproved, Status: cmmeta.ConditionTrue, LastTransitionTime: &at,
		Reason: Approver, Message: "the request is for the identity of its ServiceAccount",
	}
	if d.Denial != Granted {
		c.Type, c.Reason, c.Message = certmanagerv1.CertificateRequestConditionDenied, string(d.Denial), d.Message
	}
	out.Status.Conditions = append(out.Status.Conditions, c)
	return out
}

// emptySubject is a distinguished name without a part.
var emptySubject = []byte{0x30, 0x00}

// maxCSR bounds a request, in bytes. One for a workload certificate has about 600.
const maxCSR = 16 << 10

func parseCSR(data []byte) (*x509.CertificateRequest, error) {
	if len(data) > maxCSR {
		return nil, fmt.Errorf("the request has %d bytes; at most %d are read", len(data), maxCSR)
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("the request is not one PEM block CERTIFICATE REQUEST")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the request does not parse: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("the request is not signed by its own key: %w", err)
	}
	return csr, nil
}

// Extensions that a request for a workload certificate may carry, with the values that they must have. An issuer may honour
// any that it is shown.
var (
	oidKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSAN         = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

	digitalSignature = []byte{0x03, 0x02, 0x07, 0x80}
	serverAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	clientAuth       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

func onlyKnownExtensions(csr *x509.CertificateRequest) error {
	for _, extension := range csr.Extensions {
		switch {
		case extension.Id.Equal(oidSAN): // read by identity.FromRequest
		case extension.Id.Equal(oidKeyUsage):
			if !bytes.Equal(extension.Value, digitalSignature) {
				return errors.New("the request carries another key usage than digitalSignature")
			}
		case extension.Id.Equal(oidExtKeyUsage):
			var usages []asn1.ObjectIdentifier
			rest, err := asn1.Unmarshal(extension.Value, &usages)
			if err != nil || len(rest) > 0 || len(usages) != 2 || usages[0].Equal(usages[1]) ||
				slices.ContainsFunc(usages, func(u asn1.ObjectIdentifier) bool { return !u.Equal(serverAuth) && !u.Equal(clientAuth) }) {
				return errors.New("the request carries other extended key usages than serverAuth and clientAuth")
			}
		default:
			return fmt.Errorf("the request carries the extension %s, which a workload certificate does not have", extension.Id)
		}
	}
	return nil
}

func sameUsages(a, b []certmanagerv1.KeyUsage) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
