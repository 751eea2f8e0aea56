package issuer

import (
	"context"
	"crypto/x509"
	"errors"
	"sync/atomic"
	"time"

	"github.com/warifu/warifu/internal/pki"
)

// Keeper holds a CA in memory and signs with it: the part that is common to every Signer. It knows no CA before the first
// Keep.
type Keeper struct {
	now   func() time.Time
	state atomic.Pointer[state]
}

var _ Signer = (*Keeper)(nil)

// state is what was kept last: a CA or the reason why there is none.
type state struct {
	ca       *pki.CA
	unusable *UnusableError
}

// NewKeeper returns a Keeper without a CA.
func NewKeeper(now func() time.Time) *Keeper {
	k := &Keeper{now: now}
	k.state.Store(&state{unusable: &UnusableError{CANotLoaded, "the CA has not been read yet"}})
	return k
}

// Keep stores what loading a CA has led to, and hands the error on. An *UnusableError is kept: from then on nothing is
// signed. With any other error (the API server does not answer) what was kept before stays in use.
func (k *Keeper) Keep(ca *pki.CA, err error) error {
	var unusable *UnusableError
	switch {
	case err == nil:
		k.state.Store(&state{ca: ca})
	case errors.As(err, &unusable):
		k.state.Store(&state{unusable: unusable})
	}
	return err
}

// Snapshot signs with what is kept now, whatever is kept later.
func (k *Keeper) Snapshot() Signer {
	snapshot := NewKeeper(k.now)
	snapshot.state.Store(k.state.Load())
	return snapshot
}

// Authority implements Issuer.
func (k *Keeper) Authority() (pki.Authority, error) {
	s := k.state.Load()
	if s.unusable != nil {
		return pki.Authority{}, s.unusable
	}
	return s.ca.Authority, nil
}

// Issue implements Signer.
func (k *Keeper) Issue(_ context.Context, r Request) ([]*x509.Certificate, error) {
	s := k.state.Load()
	if s.unusable != nil {
		return nil, s.unusable
	}
	cert, err := s.ca.SignWorkload(pki.WorkloadRequest{ID: r.ID, PublicKey: r.Key.Public(), Lifetime: r.Lifetime}, k.now())
	if err != nil {
		return nil, err
	}
	return append([]*x509.Certificate{cert}, s.ca.Intermediates...), nil
}
