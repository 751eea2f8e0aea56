package l4

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// flow is one connection from its acceptance until its end. It is handled by one goroutine at a time, first its own and then
// those of its pump; end may be called by anyone at any time.
type flow struct {
	workload *Workload
	from     netip.AddrPort
	// entry is written until settle, and by finish.
	entry telemetry.Entry
	// unrecorded flows are recorded only when they end otherwise than by themselves.
	unrecorded bool

	pump *pump // set before it starts

	mu      sync.Mutex
	sockets []net.Conn
	session Session
	proof   *proven // of a session; nil without mesh TLS
	cancel  func()
	again   func(*round) *ending // nil while nothing was decided
	ended   *ending
	timer   *time.Timer
}

// attach makes a socket one that the end of the flow resets. It is reset at once where that has come already.
func (f *flow) attach(conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sockets = append(f.sockets, conn)
	if f.ended != nil {
		reset(conn)
	}
}

// end resets what the flow consists of. The first ending is the one that is recorded.
func (f *flow) end(e ending) {
	f.mark(e)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.sockets {
		reset(conn)
	}
	f.sockets = nil
	if f.cancel != nil {
		f.cancel()
	}
}

// mark says why the flow ends and leaves it to the caller how.
func (f *flow) mark(e ending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended == nil {
		f.ended = &e
	}
}

func (f *flow) hasEnded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ended != nil
}

// settle makes known how the flow is decided about again, and does it at once if there was a change since generation: a
// change either finds the flow settled, or is found here.
func (f *flow) settle(generation uint64, again func(*round) *ending) {
	f.mu.Lock()
	f.again = again
	f.mu.Unlock()
	if f.workload.generation.Load() != generation {
		f.decideAgain(f.workload.newRound())
	}
}

// decideAgain ends the flow if it would not be let in any more.
func (f *flow) decideAgain(r *round) {
	f.mu.Lock()
	again, session := f.again, f.session
	f.mu.Unlock()
	if again == nil {
		return
	}
	if e := again(r); e != nil {
		f.end(*e)
		return
	}
	if session != nil {
		session.Recheck()
	}
}

// drain asks a session to come to its end. Bytes cannot be asked.
func (f *flow) drain() {
	f.mu.Lock()
	session := f.session
	f.mu.Unlock()
	if session != nil {
		session.Drain()
	}
}

// finish takes the flow off the books and records it. It is the last thing that happens to a flow.
func (f *flow) finish() {
	f.mu.Lock()
	if f.timer != nil {
		f.timer.Stop()
	}
	ended := f.ended
	if ended == nil {
		f.ended = &ending{} // too late for another
	}
	for _, conn := range f.sockets {
		_ = conn.Close()
	}
	f.sockets = nil
	f.mu.Unlock()
	f.workload.remove(f)
	if ended == nil && f.unrecorded {
		return
	}
	f.record(ended)
}

func (f *flow) record(ended *ending) {
	e := f.entry
	e.Duration = time.Since(e.Start)
	if ended != nil {
		e.Verdict, e.Reason, e.Detail = ended.verdict, ended.reason, ended.detail
		e.DecidedBy, e.Rule = ended.decidedBy, ended.rule
		e.Reports = append(e.Reports, ended.reports...)
	}
	if f.pump != nil {
		toApp, fromApp := f.pump.fromClient.Load(), f.pump.fromServer.Load()
		if e.Direction == telemetry.Outbound {
			toApp, fromApp = fromApp, toApp
		}
		e.Received, e.Sent = toApp, fromApp
	}
	f.workload.record(e)
}

// decided notes the decision under which the flow goes on.
func (f *flow) decided(d authz.Decision) {
	f.entry.Verdict, f.entry.Reason = telemetry.Allowed, string(d.Reason)
	f.entry.DecidedBy, f.entry.Rule, f.entry.Reports = d.DecidedBy, d.Rule, d.Reports
}
