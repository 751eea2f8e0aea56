package l4

import (
	"context"
	"net/netip"
	"time"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// roundTime bounds how long a round waits for answers about addresses; those that are watched are there at once.
const roundTime = 500 * time.Millisecond

// round is one time of deciding about all connections again, with what holds at that moment. Many connections have the same
// peer, or went to the same address, so what was found once is kept for the others. It is used by one goroutine.
type round struct {
	workload *Workload
	state    *state
	material *mtls.Material
	problem  error // instead of material
	now      time.Time
	until    time.Time
	chains   map[string]error
	answers  map[netip.AddrPort]*proxyconfig.Address
}

func (w *Workload) newRound() *round {
	now := time.Now()
	r := &round{
		workload: w, state: w.state.Load(), now: now, until: now.Add(roundTime),
		chains: map[string]error{}, answers: map[netip.AddrPort]*proxyconfig.Address{},
	}
	r.material, r.problem = w.material()
	return r
}

// verify asks again what the handshake has asked. Where there is no trust bundle at all, what was good stays good: nobody
// new gets in, and nothing says that those who are in should not be.
func (r *round) verify(p *proven, accept mtls.Accept) error {
	if r.problem == nil {
		if err := r.verifyChain(p); err != nil {
			return err
		}
	}
	return accept(p.id)
}

func (r *round) verifyChain(p *proven) error {
	var key []byte
	for _, cert := range p.chain {
		key = append(key, cert.Raw...)
	}
	key = append(key, byte(p.usage))
	if err, known := r.chains[string(key)]; known {
		return err
	}
	_, err := mtls.VerifyPeer(p.chain, r.material.Bundle, p.usage, r.now)
	r.chains[string(key)] = err
	return err
}

// answer is what an address is now; nil where nobody knows.
func (r *round) answer(to netip.AddrPort) *proxyconfig.Address {
	if answer, known := r.answers[to]; known {
		return answer
	}
	ctx, cancel := context.WithDeadline(context.Background(), r.until)
	defer cancel()
	var found *proxyconfig.Address
	if answer, err := r.workload.options.Lookup.Address(ctx, to); err == nil {
		found = &answer
	}
	r.answers[to] = found
	return found
}
