package proxy

import (
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/internal/mtls"
)

// When sessions are asked to make way for a new CA, from the moment at which it has signed this workload's certificate. Peers get
// theirs within 90 s of ours or before, as kubelet delivers, and connect with a former one until then; the former CA is trusted
// for 120 s after all have been issued. Whenever within these 90 s we are told, one of the rounds falls between the two: none is
// more than 24 s after the one before.
const (
	firstRound   = 2 * time.Second
	longestPause = 24 * time.Second
	lastRound    = 100 * time.Second
)

// handover has HTTP connections made anew that depend on a former CA, while both are trusted. What is under way in them when
// the former one is not trusted any more would be cut.
type handover struct {
	log logr.Logger
	// makeWay asks those to end that depend on another CA than the one of the certificate of this moment.
	makeWay func() int
	// begun has an element when another CA has signed.
	begun chan struct{}

	roots []*x509.Certificate // to which the certificate has led; of the caller of renewed
}

func newHandover(log logr.Logger, makeWay func() int) *handover {
	return &handover{log: log, makeWay: makeWay, begun: make(chan struct{}, 1)}
}

// renewed looks at the identity after every change of it. One goroutine calls it.
func (h *handover) renewed(material *mtls.Material) {
	bundle, err := material.OwnRoots(time.Now())
	if err != nil {
		return // nobody lets us in, and who signs is the least of it
	}
	former := h.roots
	h.roots = bundle.Roots()
	if former == nil || slices.EqualFunc(former, h.roots, (*x509.Certificate).Equal) {
		return
	}
	select {
	case h.begun <- struct{}{}:
	default:
	}
}

// run makes the rounds until ctx ends.
func (h *handover) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-h.begun:
			h.rounds(ctx)
		}
	}
}

// rounds ends early when yet another CA has signed: then they begin anew.
func (h *handover) rounds(ctx context.Context) {
	asked := 0
	for spent, pause := time.Duration(0), firstRound; spent < lastRound; pause = min(2*pause, longestPause) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-h.begun:
			spent, pause = 0, firstRound/2
			timer.Stop()
			continue
		case <-timer.C:
		}
		spent += pause
		asked += h.makeWay()
	}
	h.log.Info("another CA has signed the identity, and HTTP connections that depended on the former one were asked to end", "connections", asked)
}
