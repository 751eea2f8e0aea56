package l4

import (
	"crypto/x509"
	"time"

	"github.com/warifu/warifu/internal/mtls"
)

// MakeWay asks sessions to end that would be cut if the CA which has signed the workload's own certificate were the only one
// that is trusted: either end has shown a certificate of another. What is under way in them finishes, and clients that connect
// again show what they have by then. It says how many were asked. Bytes cannot be asked.
func (w *Workload) MakeWay() (asked int) {
	own, err := w.material()
	if err != nil {
		return 0 // nothing says what would be better
	}
	roots, err := own.OwnRoots(time.Now())
	if err != nil {
		return 0
	}
	r := w.newRound()
	r.material, r.problem = &mtls.Material{Bundle: roots}, nil
	for _, f := range w.open() {
		f.mu.Lock()
		session, proof := f.session, f.proof
		f.mu.Unlock()
		if session != nil && proof != nil && !r.outlives(proof, own) {
			session.Drain()
			asked++
		}
	}
	return asked
}

// outlives says whether both ends' certificates lead to the round's roots. The one that is the workload's own now does.
func (r *round) outlives(p *proven, own *mtls.Material) bool {
	if r.verifyChain(p) != nil {
		return false
	}
	if p.own == own {
		return true
	}
	chain, err := p.own.Chain()
	return err == nil && r.verifyChain(&proven{chain: chain, usage: x509.ExtKeyUsageServerAuth}) == nil
}
