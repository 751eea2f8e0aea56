package certmanager

import (
	"crypto/x509"
	"slices"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"

	"github.com/warifu/warifu/internal/pki"
)

// holdPart: one part in so many of the life that was asked for has to pass before a certificate that lives too short is
// followed by another.
const holdPart = 3

// HoldUntil is when a request may be approved: at once, unless one before it was answered with a much shorter life than it
// asked for. cert-manager renews by the life that a certificate has, and an issuer that gives minutes for a day would be
// asked every few minutes, for every ServiceAccount, for ever. What lives too short is not used anyway, unless it ends with
// its CA; that is no reason to hold.
func HoldUntil(request *certmanagerv1.CertificateRequest, others []certmanagerv1.CertificateRequest, roots []*x509.Certificate) time.Time {
	var until time.Time
	for i := range others {
		other := &others[i]
		if other.UID == request.UID || other.Spec.Duration == nil || len(other.Status.Certificate) == 0 {
			continue
		}
		chain, err := pki.ParseCertificates(other.Status.Certificate)
		if err != nil {
			continue
		}
		above := slices.Concat(chain[1:], roots)
		if told, err := pki.ParseCertificates(other.Status.CA); err == nil {
			above = append(above, told...)
		}
		asked := other.Spec.Duration.Duration
		endsWithItsCA := slices.ContainsFunc(above, func(ca *x509.Certificate) bool { return !ca.NotAfter.After(chain[0].NotAfter) })
		if !pki.TooShort(chain[0], asked) || endsWithItsCA {
			continue
		}
		if hold := other.CreationTimestamp.Add(asked / holdPart); hold.After(until) {
			until = hold
		}
	}
	return until
}
