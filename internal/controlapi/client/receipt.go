package client

import (
	"github.com/warifu/warifu/internal/proxyconfig"
)

// configuration is what was told, and what of it is known to work.
type configuration struct {
	// current was told last; good was in force last and is what is kept, acked the same in this process alone.
	current, good, acked *proxyconfig.Config
	// rejected is why current could not be put in force.
	rejected string
	changed  chan struct{}
}

// replace takes in another configuration.
func (c *configuration) replace(with *proxyconfig.Config) {
	c.current, c.rejected = with, ""
	close(c.changed)
	c.changed = make(chan struct{})
}

// receipt is what of one stream was received and is in force.
type receipt struct {
	// received is the highest revision. What it brought besides a configuration is in force as soon as it is stored.
	received uint64
	// pending is the lowest revision of a configuration that is not in force yet, newest the highest; 0 where there is none.
	pending, newest uint64
	// acked was said already.
	acked    uint64
	rejected *proxyconfig.Rejection
}

// receive notes a revision.
func (r *receipt) receive(revision uint64, config bool) {
	r.received = max(r.received, revision)
	if !config {
		return
	}
	if r.pending == 0 {
		r.pending = revision
	}
	r.newest = revision
}

// settle notes that the newest configuration is in force.
func (r *receipt) settle() { r.pending, r.newest = 0, 0 }

// reject notes that the newest configuration cannot be put in force. It is dealt with; the rejection says how.
func (r *receipt) reject(reason string) {
	if r.newest == 0 {
		return
	}
	r.rejected = &proxyconfig.Rejection{Revision: r.newest, Reason: clip(reason)}
	r.settle()
}

// unsaid is what there is to say, once.
func (r *receipt) unsaid() (ack uint64, rejected *proxyconfig.Rejection) {
	rejected, r.rejected = r.rejected, nil
	reached := r.received
	if r.pending > 0 {
		reached = r.pending - 1
	}
	if reached > r.acked {
		r.acked, ack = reached, reached
	}
	return ack, rejected
}

// clip bounds a reason, which may repeat what was received.
func clip(s string) string {
	const longest = 1000
	if len(s) > longest {
		return s[:longest] + "…"
	}
	return s
}
