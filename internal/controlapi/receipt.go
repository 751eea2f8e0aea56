package controlapi

import (
	"github.com/warifu/warifu/internal/proxyconfig"
)

// receipt is how much of what a stream was told is in force. Its session's lock guards it.
type receipt struct {
	// sent and acked are revisions; config is the last one that brought a configuration.
	sent, acked, config uint64
	// rejected is why the configuration of config is not in force.
	rejected string
	// last is what was in force when the proxy was last up to date.
	last proxyconfig.AsOf
}

// send counts a line.
func (r *receipt) send(config bool) uint64 {
	r.sent++
	if config {
		r.config, r.rejected = r.sent, ""
	}
	return r.sent
}

// take takes in what a proxy says of it. A rejection stands until another configuration is sent; a proxy cannot acknowledge
// what it was not sent.
func (r *receipt) take(ask *proxyconfig.Ask) {
	if ask.Ack <= r.sent {
		r.acked = max(r.acked, ask.Ack)
	}
	if ask.Rejected == nil || ask.Rejected.Revision > r.sent {
		return
	}
	if ask.Rejected.Revision >= r.config {
		r.rejected = cut(ask.Rejected.Reason)
		if r.rejected == "" {
			r.rejected = "no reason was given"
		}
	}
}

// inForce is what the proxy has in force. It is as much as the index has taken in where nothing is on its way to the proxy;
// otherwise what it was then.
func (r *receipt) inForce(behind bool, observed proxyconfig.AsOf) (proxyconfig.AsOf, string) {
	if !behind && r.sent > 0 && r.acked == r.sent && r.rejected == "" {
		r.last = observed
	}
	return r.last, r.rejected
}
