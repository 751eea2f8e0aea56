package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// What somebody else signs may deviate from what was asked for. Signers back-date by up to an hour, and round.
const (
	lifeTolerance    = 10 // one part in so many
	backdateOfOthers = 2 * time.Hour
)

// foreign says that somebody else signs.
func (c *candidate) foreign() bool { return c.want.Authority.Signer == nil }

// leadsToARoot is isSignedByTheSigner where the signer is not known. Whether the certificate is valid now is for others to say,
// so it is verified at a moment of its own life.
func leadsToARoot(c *candidate) (Reason, string) {
	leaf, at := c.chain[0], c.now
	if at.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	}
	accepted := c.want.Authority.Accepted
	if accepted == nil {
		accepted = c.want.Authority.Roots
	}
	var path []*x509.Certificate
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} { // a CA above may forbid one
		var err error
		if path, err = pathToRoot(c.chain, accepted, at, usage); err != nil {
			return OtherSigner, fmt.Sprintf("the certificate does not lead to a trusted root: %v", err)
		}
	}
	if !sameChain(c.chain, path[:len(path)-1]) {
		return OtherSigner, "tls.crt does not carry what leads from the certificate to a root, in order and nothing else"
	}
	c.signer = path[1]
	return Valid, ""
}

// isGivenTime is about what somebody else signs: a life that ends with its CA is not too short. It is looked at before the
// time is, because that such a certificate has expired is no news.
func isGivenTime(c *candidate) (Reason, string) {
	if leaf := c.chain[0]; c.foreign() && TooShort(leaf, c.want.Lifetime) && !c.capped() {
		return LivesTooShort, fmt.Sprintf("the certificate lives %s, %s was asked for", leaf.NotAfter.Sub(leaf.NotBefore), c.want.Lifetime)
	}
	return Valid, ""
}

// livesNotMuchLonger is livesAsLongAsWanted where somebody else signs.
func livesNotMuchLonger(c *candidate) (Reason, string) {
	leaf := c.chain[0]
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life > c.want.Lifetime+c.want.Lifetime/lifeTolerance+backdateOfOthers {
		return LifetimeChanged, fmt.Sprintf("the certificate lives %s, %s is wanted", life, c.want.Lifetime)
	}
	return Valid, ""
}

// TooShort says that a certificate lives much shorter than was asked for.
func TooShort(leaf *x509.Certificate, asked time.Duration) bool {
	return leaf.NotAfter.Sub(leaf.NotBefore) < asked-asked/lifeTolerance
}

// due is when a certificate is to be renewed, or where somebody else renews, when that is overdue: at three quarters of
// its life.
func (c *candidate) due() time.Time {
	leaf := c.chain[0]
	if !c.foreign() {
		return RenewAt(leaf)
	}
	return leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 4 * 3)
}

// Path orders certificates: the first one, and after it those among the rest that lead from it to a root, which is returned
// apart. The path is what belongs into tls.crt, whatever order and company an issuer has chosen.
func Path(certs, roots []*x509.Certificate, now time.Time) (path []*x509.Certificate, root *x509.Certificate, err error) {
	path, err = pathToRoot(certs, roots, now, x509.ExtKeyUsageAny)
	if err != nil {
		return nil, nil, err
	}
	last := len(path) - 1
	return path[:last], path[last], nil
}

// pathToRoot is the shortest path from the first certificate to a root, with the root.
func pathToRoot(certs, roots []*x509.Certificate, now time.Time, usage x509.ExtKeyUsage) ([]*x509.Certificate, error) {
	if len(certs) == 0 {
		return nil, errors.New("no certificate")
	}
	chains, err := certs[0].Verify(x509.VerifyOptions{
		Roots: pool(roots), Intermediates: pool(certs[1:]), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return nil, err
	}
	shortest := chains[0]
	for _, chain := range chains[1:] {
		if len(chain) < len(shortest) {
			shortest = chain
		}
	}
	if len(shortest) < 2 {
		return nil, errors.New("it is itself a root")
	}
	return shortest, nil
}

// IsRoot says that a certificate is a self-signed CA.
func IsRoot(cert *x509.Certificate) bool {
	return cert.BasicConstraintsValid && cert.IsCA && bytes.Equal(cert.RawIssuer, cert.RawSubject) && cert.CheckSignatureFrom(cert) == nil
}
