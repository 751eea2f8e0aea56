package pki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"
)

// Backdate is how far before the moment of signing a certificate begins. Where the operator's clock is ahead of a workload's by
// up to four minutes, the certificate is valid there at once. The API server allows a pod certificate's signer five.
const Backdate = 4*time.Minute + 30*time.Second

// Authority is the public half of a CA: what verifiers trust and what a leaf's file carries.
type Authority struct {
	// Signer is the certificate that signs.
	Signer *x509.Certificate
	// Intermediates are shown along with a leaf: the signer, unless it is itself a root, and what leads from it to one.
	Intermediates []*x509.Certificate
	// Roots are what verifiers trust.
	Roots []*x509.Certificate
	// Accepted are the roots that a certificate has to lead to where there is no Signer; nil accepts all Roots.
	Accepted []*x509.Certificate
}

// CA signs. It is not changed after it was made and may be used from several goroutines.
type CA struct {
	Authority
	key crypto.Signer
}

// CAOptions describe a CA to make.
type CAOptions struct {
	// CommonName is for people; verifiers go by the key.
	CommonName string
	Algorithm  KeyAlgorithm
	Lifetime   time.Duration
}

// NewCA makes a self-signed CA that signs leaves only (path length 0).
func NewCA(o CAOptions, now time.Time) (*CA, error) {
	key, err := NewKey(o.Algorithm)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{Organization: []string{"Warifu"}, CommonName: o.CommonName},
		NotBefore:             now.Add(-Backdate),
		NotAfter:              now.Add(o.Lifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            0,
		MaxPathLenZero:        true,
	}
	cert, err := create(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	ca := &CA{Authority: Authority{Signer: cert, Roots: []*x509.Certificate{cert}}, key: key}
	if err := ca.Usable(now); err != nil {
		return nil, fmt.Errorf("new CA: %w", err)
	}
	return ca, nil
}

// ParseCA reads a CA: Cert is the signing certificate and its intermediates, Key its key, CA the roots. Whether it may
// sign now is for Usable to say, so that an expired CA can still be shown.
func ParseCA(files Files) (*CA, error) {
	chain, err := ParseCertificates(files.Cert)
	if err != nil {
		return nil, fmt.Errorf("tls.crt: %w", err)
	}
	roots, err := ParseCertificates(files.CA)
	if err != nil {
		return nil, fmt.Errorf("ca.crt: %w", err)
	}
	key, err := ParseKey(files.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.key: %w", err)
	}
	if !sameKey(key.Public(), chain[0].PublicKey) {
		return nil, errors.New("tls.key is not the key of the certificate in tls.crt")
	}
	intermediates := make([]*x509.Certificate, 0, len(chain))
	for _, cert := range chain {
		if !contains(roots, cert) {
			intermediates = append(intermediates, cert)
		}
	}
	return &CA{Authority: Authority{Signer: chain[0], Intermediates: intermediates, Roots: roots}, key: key}, nil
}

// Files are the CA's own files, as ParseCA reads them.
func (ca *CA) Files() (Files, error) {
	key, err := EncodeKey(ca.key)
	if err != nil {
		return Files{}, err
	}
	chain := ca.Intermediates
	if contains(ca.Roots, ca.Signer) {
		chain = []*x509.Certificate{ca.Signer}
	}
	return Files{Cert: EncodeCertificates(chain...), Key: key, CA: EncodeCertificates(ca.Roots...)}, nil
}

// Usable says whether the CA may sign now, and if not, why.
func (a Authority) Usable(now time.Time) error {
	signer := a.Signer
	switch {
	case !signer.BasicConstraintsValid || !signer.IsCA:
		return fmt.Errorf("%q is not a CA certificate (basic constraints CA:TRUE)", signer.Subject)
	case signer.KeyUsage != 0 && signer.KeyUsage&x509.KeyUsageCertSign == 0:
		return fmt.Errorf("CA certificate %q may not sign certificates (key usage keyCertSign)", signer.Subject)
	case now.Before(signer.NotBefore):
		return fmt.Errorf("CA certificate %q is not valid before %s", signer.Subject, signer.NotBefore.Format(time.RFC3339))
	case !now.Before(signer.NotAfter):
		return fmt.Errorf("CA certificate %q expired at %s", signer.Subject, signer.NotAfter.Format(time.RFC3339))
	}
	for _, root := range a.Roots {
		if !root.BasicConstraintsValid || !root.IsCA {
			return fmt.Errorf("root %q in ca.crt is not a CA certificate", root.Subject)
		}
	}
	if err := a.verify(signer, now, x509.ExtKeyUsageAny); err != nil {
		return fmt.Errorf("CA certificate %q does not lead to a root in ca.crt: %w", signer.Subject, err)
	}
	return nil
}

// verify checks that a certificate leads to the roots by way of the intermediates.
func (a Authority) verify(cert *x509.Certificate, now time.Time, usages ...x509.ExtKeyUsage) error {
	options := x509.VerifyOptions{
		Roots: pool(a.Roots), Intermediates: pool(a.Intermediates), CurrentTime: now, KeyUsages: usages,
	}
	_, err := cert.Verify(options)
	return err
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}

func contains(certs []*x509.Certificate, cert *x509.Certificate) bool {
	for _, c := range certs {
		if c.Equal(cert) {
			return true
		}
	}
	return false
}
