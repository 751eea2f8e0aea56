package pki

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/warifu/warifu/internal/identity"
)

// maxRoots bounds a list of trusted roots: each one costs every handshake that it does not belong to.
const maxRoots = 32

// ParseRoots reads certificates to trust: CA certificates that are valid now, of which there may be a few. None is an empty list.
func ParseRoots(data []byte, now time.Time) ([]*x509.Certificate, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	roots, err := ParseCertificates(data)
	if err != nil {
		return nil, err
	}
	if len(roots) > maxRoots {
		return nil, fmt.Errorf("%d certificates: at most %d are allowed", len(roots), maxRoots)
	}
	for _, root := range roots {
		switch {
		case !root.BasicConstraintsValid || !root.IsCA:
			return nil, fmt.Errorf("%q is not a CA certificate (basic constraints CA:TRUE)", root.Subject)
		case root.KeyUsage != 0 && root.KeyUsage&x509.KeyUsageCertSign == 0:
			return nil, fmt.Errorf("%q may not sign certificates (key usage keyCertSign)", root.Subject)
		case !now.Before(root.NotAfter):
			return nil, fmt.Errorf("%q expired at %s", root.Subject, root.NotAfter.Format(time.RFC3339))
		}
	}
	return roots, nil
}

// Serves says whether the CA can sign for a trust domain, and if not, why. What path lengths, usages and name constraints
// along the way to a root forbid is found by trying: a certificate is signed, verified, and thrown away.
func (ca *CA) Serves(domain identity.TrustDomain, now time.Time) error {
	for _, uri := range ca.Signer.URIs {
		if uri.Scheme == "spiffe" && uri.Host != string(domain) {
			return fmt.Errorf("CA certificate %q is for the trust domain %q, not %q", ca.Signer.Subject, uri.Host, domain)
		}
	}
	id, err := identity.New(domain, "trial", "trial")
	if err != nil {
		return err
	}
	key, err := NewKey(ECDSAP256)
	if err != nil {
		return err
	}
	_, err = ca.SignWorkload(WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: time.Minute}, now)
	return err
}

// Holder is an identity that is in use: what its tls.crt and ca.crt hold.
type Holder struct{ Cert, CA []byte }

// TrustFacts are all that what is trusted depends on, besides the time.
type TrustFacts struct {
	TrustDomain identity.TrustDomain
	// Next is what is to sign and to be trusted; nil is its Signer where somebody else signs.
	Next Authority
	// Additional roots are trusted besides.
	Additional []*x509.Certificate
	// Holders are all identities in use.
	Holders []Holder
}

// Trust is what everybody is to trust while one CA takes the place of another, and how far that is.
type Trust struct {
	// Roots are those of the next CA, additional ones, and Former.
	Roots []*x509.Certificate
	// Former roots are trusted for one reason only: a live certificate leads to them.
	Former []*x509.Certificate
	// Untold is how many live holders do not trust the next CA yet.
	Untold int
	// Established says that there is nothing to wait for: live certificates lead to a root of the next CA already, or there
	// are no live certificates.
	Established bool
}

// DecideTrust decides what to trust, from what is in use. It remembers nothing, so that a restart at any moment leads on to the
// same end. A holder whose certificate is unreadable, expired or of another trust domain proves nothing and has no say.
func DecideTrust(f TrustFacts, now time.Time) Trust {
	var t Trust
	for _, root := range slices.Concat(f.Next.Roots, f.Additional) {
		if !contains(t.Roots, root) {
			t.Roots = append(t.Roots, root)
		}
	}
	bundles := map[string]*bundle{} // there are few different ones
	live, leading := 0, false
	for _, h := range f.Holders {
		chain := h.live(f.TrustDomain, now)
		if chain == nil {
			continue
		}
		live++
		b := bundles[string(h.CA)]
		if b == nil {
			b = newBundle(h.CA, f.Next, t.Roots, now)
			bundles[string(h.CA)] = b
		}
		if !b.trustsNext {
			t.Untold++
		}
		leading = leading || leads(chain, f.Next.Roots)
		for _, root := range b.others {
			if !contains(t.Former, root) && leads(chain, []*x509.Certificate{root}) {
				t.Former = append(t.Former, root)
			}
		}
	}
	t.Established = live == 0 || leading
	t.Roots = append(t.Roots, t.Former...)
	return t
}

// live is the chain of a certificate that proves an identity of the trust domain now, or nil.
func (h Holder) live(domain identity.TrustDomain, now time.Time) []*x509.Certificate {
	chain, err := ParseCertificates(h.Cert)
	if err != nil || !now.Before(chain[0].NotAfter) {
		return nil
	}
	if id, err := identity.FromCertificate(chain[0]); err != nil || id.TrustDomain() != domain {
		return nil
	}
	return chain
}

// bundle is what one ca.crt says.
type bundle struct {
	// trustsNext: what the next CA signs verifies by it.
	trustsNext bool
	// others are roots that nobody wants but for the certificates that lead to them.
	others []*x509.Certificate
}

func newBundle(ca []byte, next Authority, wanted []*x509.Certificate, now time.Time) *bundle {
	roots, err := ParseCertificates(ca)
	if err != nil {
		return &bundle{}
	}
	b := &bundle{trustsNext: true}
	if next.Signer == nil { // somebody else signs, who does not tell with what
		for _, root := range next.Roots {
			b.trustsNext = b.trustsNext && contains(roots, root)
		}
	} else {
		b.trustsNext = Authority{Intermediates: next.Intermediates, Roots: roots}.verify(next.Signer, now, x509.ExtKeyUsageAny) == nil
	}
	for _, root := range roots {
		if !contains(wanted, root) && now.Before(root.NotAfter) {
			b.others = append(b.others, root)
		}
	}
	return b
}

// leads says that a chain ends at one of the roots.
func leads(chain, roots []*x509.Certificate) bool {
	top := chain[len(chain)-1]
	for _, root := range roots {
		if top.Equal(root) || bytes.Equal(top.RawIssuer, root.RawSubject) && top.CheckSignatureFrom(root) == nil {
			return true
		}
	}
	return false
}
