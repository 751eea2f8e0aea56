package l4

import (
	"math/rand/v2"
	"time"
)

// Before a certificate expires, the connections that were opened with it end, not all in the same moment.
const (
	mostExpiryLead    = 30 * time.Second
	expiryLeadDivisor = 10
)

// expiryLead is how long before its certificate a connection ends that has so long to live.
func expiryLead(left time.Duration) time.Duration {
	most := min(mostExpiryLead, left/expiryLeadDivisor)
	if most <= 0 {
		return 0
	}
	return most - rand.N(most/2+1) //nolint:gosec // spreads load
}

// carry starts the pump, and a clock for what it does not notice: certificates that expire (never, where expires is zero),
// and silence.
func (f *flow) carry(client, server end, expires time.Time) {
	f.pump = &pump{flow: f, client: client, server: server}
	idle := f.workload.options.Limits.Idle
	last := int64(0)
	var deadline time.Time
	if !expires.IsZero() {
		deadline = expires.Add(-expiryLead(time.Until(expires)))
	}
	next := func() time.Duration {
		if deadline.IsZero() {
			return idle
		}
		return min(idle, time.Until(deadline))
	}
	f.mu.Lock()
	f.timer = time.AfterFunc(next(), func() {
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			f.end(revoked(ReasonExpiring, "a certificate of the connection expires at "+expires.UTC().Format(time.RFC3339)+"; connect again"))
			return
		}
		now := f.pump.fromClient.Load() + f.pump.fromServer.Load()
		if now == last {
			f.end(failed(ReasonIdle, "nothing was sent either way for "+idle.String()))
			return
		}
		last = now
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.ended == nil {
			f.timer.Reset(next())
		}
	})
	f.mu.Unlock()
	f.pump.start()
}
