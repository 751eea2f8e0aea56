package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/warifu/warifu/internal/identity"
)

// Accept says whether a proven identity may be the peer; an error refuses and says why.
type Accept func(identity.ID) error

// Member accepts every identity of the trust domains: the operator's own and its aliases. None accepts nobody.
func Member(domains ...identity.TrustDomain) Accept {
	return func(id identity.ID) error {
		if !slices.Contains(domains, id.TrustDomain()) {
			return fmt.Errorf("whose trust domain is not accepted; accepted: %s", listed(domains))
		}
		return nil
	}
}

// OneOf accepts exactly the listed identities. None accepts nobody.
func OneOf(ids ...identity.ID) Accept {
	return func(id identity.ID) error {
		if !slices.Contains(ids, id) {
			return fmt.Errorf("expected one of %s", listed(ids))
		}
		return nil
	}
}

// listed writes out what would have been accepted, within bounds: a Service may have many ServiceAccounts behind it.
func listed[T identity.ID | identity.TrustDomain](accepted []T) string {
	const most = 5
	if len(accepted) == 0 {
		return "nobody"
	}
	var names []string
	for _, name := range accepted[:min(most, len(accepted))] {
		names = append(names, fmt.Sprint(name))
	}
	if more := len(accepted) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// Refusal is the error of a handshake in which the peer spoke TLS correctly and was not accepted.
type Refusal struct{ reason error }

// Error says whom the peer proved to be and who was expected.
func (r *Refusal) Error() string { return r.reason.Error() }

// Unwrap is the reason.
func (r *Refusal) Unwrap() error { return r.reason }

// Verifier decides about peers. The zero value accepts nobody.
type Verifier struct {
	// Accept is asked after chain, validity and usage were found right.
	Accept Accept
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Usages of a certificate in the two roles. A certificate for one does not serve for the other.
const (
	clientUsage = x509.ExtKeyUsageClientAuth
	serverUsage = x509.ExtKeyUsageServerAuth
)

// verify is VerifyConnection of both roles. The bundle is asked for here, so that a change of trust holds from the next
// handshake on.
func (v Verifier) verify(source Source, state tls.ConnectionState, usage x509.ExtKeyUsage) error {
	material, err := source.Material()
	if err != nil {
		return fmt.Errorf("trust bundle: %w", err)
	}
	if material == nil || material.Bundle == nil {
		return errors.New("trust bundle: none")
	}
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	id, err := VerifyPeer(state.PeerCertificates, material.Bundle, usage, now())
	if err != nil {
		return &Refusal{err}
	}
	if v.Accept == nil {
		return &Refusal{fmt.Errorf("peer presented %s, and nobody is accepted here", id)}
	}
	if err := v.Accept(id); err != nil {
		return &Refusal{fmt.Errorf("peer presented %s, %w", id, err)}
	}
	return nil
}

// VerifyPeer returns the identity that a certificate chain, leaf first, proves to a holder of the bundle: it leads to one
// of the roots, is valid now and for the usage, is no CA, and has exactly one URI SAN, an ID of ours.
func VerifyPeer(chain []*x509.Certificate, bundle *Bundle, usage x509.ExtKeyUsage, now time.Time) (identity.ID, error) {
	if len(chain) == 0 {
		return identity.ID{}, errors.New("peer shows no certificate")
	}
	leaf := chain[0]
	id, err := identity.FromCertificate(leaf)
	if err != nil {
		return identity.ID{}, fmt.Errorf("peer: %w", err)
	}
	if leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return identity.ID{}, fmt.Errorf("peer %s: a CA certificate is nobody's identity", id)
	}
	// x509.Verify names neither of these times with the identity, and people look for both.
	if now.After(leaf.NotAfter) {
		return identity.ID{}, fmt.Errorf("peer %s: certificate expired at %s", id, leaf.NotAfter.Format(time.RFC3339))
	}
	if now.Before(leaf.NotBefore) {
		return identity.ID{}, fmt.Errorf("peer %s: certificate is not valid before %s", id, leaf.NotBefore.Format(time.RFC3339))
	}
	if !slices.Contains(leaf.ExtKeyUsage, usage) {
		// Verify takes a certificate without any extended key usage as one for every usage; we do not.
		return identity.ID{}, fmt.Errorf("peer %s: certificate lacks the usage %s", id, usageName(usage))
	}
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: bundle.pool, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return identity.ID{}, fmt.Errorf("peer %s: %w", id, err)
	}
	return id, nil
}

// PeerID is the identity of the other end of a connection that one of our configurations has accepted.
func PeerID(state tls.ConnectionState) (identity.ID, error) {
	if len(state.PeerCertificates) == 0 {
		return identity.ID{}, errors.New("peer shows no certificate")
	}
	return identity.FromCertificate(state.PeerCertificates[0])
}

func usageName(usage x509.ExtKeyUsage) string {
	if usage == clientUsage {
		return "client authentication"
	}
	return "server authentication"
}
