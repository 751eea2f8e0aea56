package issuer

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"sync/atomic"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/pki"
)

// Issuer is where workload certificates come from. Implementations are safe for concurrent use.
type Issuer interface {
	// Authority is what signs now and what is trusted; an *UnusableError where nothing can be issued. The signer is nil where
	// somebody else signs, who does not tell with what.
	Authority() (pki.Authority, error)
}

// Signer is an Issuer that signs itself, at once.
type Signer interface {
	Issuer
	// Issue returns a certificate for the identity and the public half of the key, followed by its intermediates.
	Issue(ctx context.Context, r Request) ([]*x509.Certificate, error)
}

// Current is the issuer that was chosen, and what is in force of it: a CA signs, and roots are trusted, by a ruling, which may
// lag behind the choice. The zero value has neither.
type Current struct {
	issuer atomic.Pointer[Issuer]
	ruling atomic.Pointer[Ruling]
}

// Ruling is what is in force.
type Ruling struct {
	// Signer signs; nil where nobody does here.
	Signer Signer
	// Authority is what certificates are judged by. Its signer is the Signer's.
	Authority pki.Authority
}

// Use chooses an issuer.
func (c *Current) Use(i Issuer) { c.issuer.Store(&i) }

// Get returns the chosen issuer, nil before the first Use.
func (c *Current) Get() Issuer {
	if i := c.issuer.Load(); i != nil {
		return *i
	}
	return nil
}

// Rule puts a ruling in force.
func (c *Current) Rule(r Ruling) { c.ruling.Store(&r) }

// Ruling returns what is in force; zero before the first Rule.
func (c *Current) Ruling() Ruling {
	if r := c.ruling.Load(); r != nil {
		return *r
	}
	return Ruling{}
}

// Authority implements Issuer. Where the chosen issuer cannot issue, nothing can.
func (c *Current) Authority() (pki.Authority, error) {
	i, r := c.Get(), c.ruling.Load()
	if i == nil || r == nil {
		return pki.Authority{}, &UnusableError{CANotLoaded, "no issuer is known yet"}
	}
	if _, err := i.Authority(); err != nil {
		return pki.Authority{}, err
	}
	return r.Authority, nil
}

// Request asks for the certificate of an identity.
type Request struct {
	ID identity.ID
	// Key is the new key. An issuer uses its public half, and may sign a request with it; it does not keep it.
	Key crypto.Signer
	// Lifetime of the certificate. It ends earlier only where its CA does.
	Lifetime time.Duration
}

// UnusableError says why nothing can be signed, and the way out. It stays until somebody changes something: trying again
// does not help.
type UnusableError struct {
	Reason  Reason
	Message string
}

// Error implements error.
func (e *UnusableError) Error() string { return e.Message }

// Reason is the reason of the condition Ready of a TrustDomain.
type Reason string

// The reasons.
const (
	// CANotLoaded: the CA has not been read yet.
	CANotLoaded Reason = "CANotLoaded"
	// CAMissing: the Secret of the CA does not exist, and it is not for the operator to make it.
	CAMissing Reason = "CAMissing"
	// CAUnreadable: the Secret exists, and what is in it is not a CA with its key and roots.
	CAUnreadable Reason = "CAUnreadable"
	// CAUnusable: the CA may not sign, now or at all.
	CAUnusable Reason = "CAUnusable"
)

// ReasonOf is the reason of an UnusableError in the chain of err, or "".
func ReasonOf(err error) Reason {
	var unusable *UnusableError
	if errors.As(err, &unusable) {
		return unusable.Reason
	}
	return ""
}
