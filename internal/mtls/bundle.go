package mtls

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxBundle bounds a trust bundle, in bytes of PEM. A ClusterTrustBundle may have 1 MiB; so may we.
const maxBundle = 1 << 20

// Bundle is a set of trusted root certificates. It is never empty: ParseBundle and NewBundle make sure of it.
type Bundle struct {
	roots []*x509.Certificate
	pool  *x509.CertPool
}

// ParseBundle reads PEM certificates. An empty bundle is an error, as is anything in it that is not a CA certificate: half
// a bundle would lock peers out, or let in what nobody meant, without a word.
func ParseBundle(pemData []byte) (*Bundle, error) {
	if len(pemData) > maxBundle {
		return nil, fmt.Errorf("trust bundle of %d bytes: at most %d are allowed", len(pemData), maxBundle)
	}
	var roots []*x509.Certificate
	for rest := pemData; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("trust bundle: PEM block %q where a CERTIFICATE is wanted", block.Type)
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("trust bundle: certificate %d: %w", len(roots)+1, err)
		}
		roots = append(roots, root)
	}
	return NewBundle(roots...)
}

// NewBundle trusts the given CA certificates.
func NewBundle(roots ...*x509.Certificate) (*Bundle, error) {
	if len(roots) == 0 {
		return nil, errors.New("trust bundle has no certificate")
	}
	pool := x509.NewCertPool()
	for _, root := range roots {
		if !root.BasicConstraintsValid || !root.IsCA {
			return nil, fmt.Errorf("trust bundle: %q is not a CA certificate", root.Subject)
		}
		pool.AddCert(root)
	}
	return &Bundle{roots: roots, pool: pool}, nil
}

// Roots are the trusted certificates; the caller must not change them.
func (b *Bundle) Roots() []*x509.Certificate { return b.roots }
