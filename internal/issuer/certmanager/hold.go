package certmanager

import (
	"crypto/x509"
	"slices"
	"sync"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/pki"
)

// holdPart: one part in so many of the life that was asked for has to pass before a certificate that lives too short is
// followed by another.
const holdPart = 3

// HoldUntil is when a Certificate may have another request approved, judging by one that was answered: at once, zero, unless
// the answer lives much shorter than was asked for. cert-manager renews by the life that a certificate has, and an issuer that
// gives minutes for a day would be asked every few minutes, for every ServiceAccount, for ever. What lives too short is not
// used anyway, unless it ends with its CA; that is no reason to hold.
func HoldUntil(answered *certmanagerv1.CertificateRequest, roots []*x509.Certificate) time.Time {
	if answered.Spec.Duration == nil || len(answered.Status.Certificate) == 0 {
		return time.Time{}
	}
	chain, err := pki.ParseCertificates(answered.Status.Certificate)
	if err != nil {
		return time.Time{}
	}
	above := slices.Concat(chain[1:], roots)
	if told, err := pki.ParseCertificates(answered.Status.CA); err == nil {
		above = append(above, told...)
	}
	asked := answered.Spec.Duration.Duration
	endsWithItsCA := slices.ContainsFunc(above, func(ca *x509.Certificate) bool { return !ca.NotAfter.After(chain[0].NotAfter) })
	if !pki.TooShort(chain[0], asked) || endsWithItsCA {
		return time.Time{}
	}
	return answered.CreationTimestamp.Add(asked / holdPart)
}

// Holds remember, by Certificate, until when not to approve: cert-manager removes a request that was answered as soon as it
// makes the next one. Who has repaired the issuer deletes the Certificate; the one that takes its place is another. The zero
// value is ready for use, by several goroutines.
type Holds struct {
	mu    sync.Mutex
	until map[types.UID]time.Time
}

// Note remembers what a request that was answered leads to.
func (h *Holds) Note(answered *certmanagerv1.CertificateRequest, roots []*x509.Certificate, now time.Time) {
	owner := OriginOf(answered)
	if owner == nil {
		return
	}
	until := HoldUntil(answered, roots)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !until.After(now) {
		return
	}
	if h.until == nil {
		h.until = map[types.UID]time.Time{}
	}
	for certificate, old := range h.until { // rarely many
		if !old.After(now) {
			delete(h.until, certificate)
		}
	}
	h.until[owner.UID] = until
}

// Until is when the Certificate may have a request approved; zero is at once.
func (h *Holds) Until(certificate types.UID) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.until[certificate]
}
