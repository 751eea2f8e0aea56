package issuer

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/pki"
)

// Issuer issues workload certificates. Implementations are safe for concurrent use.
type Issuer interface {
	// Authority is what signs now and what is trusted; an *UnusableError where nothing can be signed.
	Authority() (pki.Authority, error)
	// Issue returns a certificate for the identity and the public half of the key, followed by its intermediates.
	Issue(ctx context.Context, r Request) ([]*x509.Certificate, error)
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
