package l4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Workload is the data plane of one workload. It is safe for concurrent use.
type Workload struct {
	options    Options
	state      atomic.Pointer[state] // nil until there is a configuration
	generation atomic.Uint64         // counts what connections must be decided about again for
	handshakes chan struct{}         // one element for each that computes
	affinity   affinity

	rechecking sync.Mutex // one round at a time

	mu        sync.Mutex
	flows     map[*flow]struct{}
	listeners map[net.Listener]struct{}
	ending    bool
	running   sync.WaitGroup // flows
}

// New makes a workload that refuses everything until SetConfig.
func New(options Options) *Workload {
	options.Limits = options.Limits.orDefault()
	if options.Own == nil {
		options.Own = func(netip.Addr) bool { return false }
	}
	if options.Telemetry == nil {
		options.Telemetry = (*telemetry.Recorder)(nil) // records nothing
	}
	return &Workload{
		options:    options,
		handshakes: make(chan struct{}, options.Limits.Handshakes),
		flows:      map[*flow]struct{}{},
		listeners:  map[net.Listener]struct{}{},
	}
}

// SetConfig puts a configuration in force, for new connections and, when it returns, for those that are open. On an error
// what was in force remains. The configuration must not be changed afterwards.
func (w *Workload) SetConfig(config *proxyconfig.Config) error {
	s, err := newState(config, w.options.Source)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	w.state.Store(s)
	w.Recheck()
	return nil
}

// Decide asks the policy of this moment. Without one the answer is no.
func (w *Workload) Decide(r authz.Request) authz.Decision {
	s := w.state.Load()
	if s == nil {
		return authz.Decision{Rule: authz.NoRule, Reason: authz.Reason(ReasonNoConfiguration)}
	}
	return s.engine.Decide(r)
}

// ReadsHeaders says whether the policy of this moment asks about header fields of HTTP requests.
func (w *Workload) ReadsHeaders() bool {
	s := w.state.Load()
	return s == nil || s.engine.ReadsHeaders()
}

// Recheck decides about every open connection again and returns when that is done. It is to be called when the trust bundle
// has changed, or what Lookup answers.
func (w *Workload) Recheck() {
	w.generation.Add(1)
	w.rechecking.Lock()
	defer w.rechecking.Unlock()
	r := w.newRound()
	for _, f := range w.open() {
		f.decideAgain(r)
	}
}

// Open is the number of connections that are open.
func (w *Workload) Open() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.flows)
}

// Shutdown accepts nothing more, has sessions drain, and waits for all connections to finish. Those that have not by the end
// of ctx are cut; the error says how many.
func (w *Workload) Shutdown(ctx context.Context) error {
	w.mu.Lock()
	w.ending = true
	for l := range w.listeners {
		_ = l.Close()
	}
	w.mu.Unlock()
	for _, f := range w.open() {
		f.drain()
	}
	done := make(chan struct{})
	go func() {
		w.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	left := w.open()
	for _, f := range left {
		f.end(failed(ReasonShutdown, "the proxy ends, and the connection was still open"))
	}
	<-done
	if len(left) > 0 {
		return fmt.Errorf("%d connections were still open and are cut: %w", len(left), ctx.Err())
	}
	return nil
}

var errEnding = errors.New("the proxy is ending")

// begin registers a connection that was just accepted.
func (w *Workload) begin(f *flow) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending {
		return errEnding
	}
	if most := w.options.Limits.Connections; most > 0 && len(w.flows) >= most {
		return fmt.Errorf("%d connections are open, the most that are allowed", most)
	}
	w.flows[f] = struct{}{}
	w.running.Add(1)
	w.options.Telemetry.Opened(f.entry.Direction)
	return nil
}

func (w *Workload) remove(f *flow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.flows, f)
	w.options.Telemetry.Closed(f.entry.Direction)
	w.running.Done()
}

func (w *Workload) open() []*flow {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := make([]*flow, 0, len(w.flows))
	for f := range w.flows {
		open = append(open, f)
	}
	return open
}

func (w *Workload) isEnding() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ending
}

func (w *Workload) record(e telemetry.Entry) { w.options.Telemetry.Record(e) }
