package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/warifu/warifu/internal/identity"
)

// WorkloadRequest asks for the certificate of an identity.
type WorkloadRequest struct {
	ID        identity.ID
	PublicKey crypto.PublicKey
	Lifetime  time.Duration
}

// SignWorkload signs a certificate that says who its holder is and nothing else: no subject, one URI SAN (critical, as
// RFC 5280 wants it where the subject is empty), usable by client and server. It ends no later than the CA does.
func (ca *CA) SignWorkload(r WorkloadRequest, now time.Time) (*x509.Certificate, error) {
	if r.ID.IsZero() {
		return nil, errors.New("sign: no identity")
	}
	template := leaf(r.Lifetime, now)
	template.URIs = []*url.URL{r.ID.URL()}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	cert, err := ca.sign(template, r.PublicKey, now)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", r.ID, err)
	}
	id, err := identity.FromCertificate(cert)
	if err != nil {
		return nil, fmt.Errorf("check of what was signed for %s: %w", r.ID, err)
	}
	if id != r.ID {
		return nil, fmt.Errorf("check of what was signed for %s: it names %s", r.ID, id)
	}
	return cert, nil
}

// ServingRequest asks for the certificate of a server known by DNS names or IP addresses, such as the webhook.
type ServingRequest struct {
	DNSNames    []string
	IPAddresses []net.IP
	PublicKey   crypto.PublicKey
	Lifetime    time.Duration
}

// SignServing signs a certificate for a server that is known by DNS names or IP addresses. It names no workload.
func (ca *CA) SignServing(r ServingRequest, now time.Time) (*x509.Certificate, error) {
	if len(r.DNSNames) == 0 && len(r.IPAddresses) == 0 {
		return nil, errors.New("sign: no DNS name and no IP address")
	}
	name := fmt.Sprint(r.DNSNames, r.IPAddresses)
	template := leaf(r.Lifetime, now)
	template.DNSNames, template.IPAddresses = r.DNSNames, r.IPAddresses
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	cert, err := ca.sign(template, r.PublicKey, now)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", name, err)
	}
	same := slices.Equal(cert.DNSNames, r.DNSNames) && slices.EqualFunc(cert.IPAddresses, r.IPAddresses, net.IP.Equal)
	if !same || len(cert.URIs) != 0 {
		return nil, fmt.Errorf("sign certificate of %s: it names %s%s and %d URIs", name, cert.DNSNames, cert.IPAddresses, len(cert.URIs))
	}
	return cert, nil
}

func leaf(lifetime time.Duration, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		NotBefore:             now.Add(-Backdate),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
}

// sign refuses where the CA may not sign, clamps the end, and checks what it signed before anybody gets it: the
// certificate leads to the roots, holds the key that was asked for and can do nothing that was not.
func (ca *CA) sign(template *x509.Certificate, public crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	if err := ca.Usable(now); err != nil {
		return nil, err
	}
	if template.NotAfter.After(ca.Signer.NotAfter) {
		template.NotAfter = ca.Signer.NotAfter
	}
	if !template.NotAfter.After(now) {
		return nil, errors.New("it would have expired before it was signed")
	}
	cert, err := create(template, ca.Signer, public, ca.key)
	if err != nil {
		return nil, err
	}
	for _, usage := range template.ExtKeyUsage {
		if err := ca.verify(cert, now, usage); err != nil {
			return nil, fmt.Errorf("check of what was signed: %w", err)
		}
		if !ca.restrictsUsage() {
			break // good for one usage, good for all; verifying is most of what an identity costs
		}
	}
	switch {
	case !sameKey(cert.PublicKey, public):
		return nil, errors.New("check of what was signed: it holds another key")
	case cert.IsCA || cert.KeyUsage != template.KeyUsage || !slices.Equal(cert.ExtKeyUsage, template.ExtKeyUsage):
		return nil, errors.New("check of what was signed: it may do more or less than it should")
	case cert.NotAfter.After(ca.Signer.NotAfter):
		return nil, errors.New("check of what was signed: it outlives its CA")
	}
	checked.remember(cert, ca.Signer)
	return cert, nil
}

// restrictsUsage says whether a certificate above the leaves limits what leaves are good for. The signer is a root or one
// of the intermediates.
func (a Authority) restrictsUsage() bool {
	restricted := func(cert *x509.Certificate) bool { return len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0 }
	return slices.ContainsFunc(a.Intermediates, restricted) || slices.ContainsFunc(a.Roots, restricted)
}

// create signs and parses what was signed. The serial number is 20 random bytes, made by crypto/x509.
func create(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
