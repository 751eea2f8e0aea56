package l4

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// ServeInbound accepts the connections of the workload's clients until Shutdown, or until the listener fails. It closes the
// listener.
func (w *Workload) ServeInbound(l net.Listener) error {
	return w.serve(l, telemetry.Inbound)
}

// ServeOutbound accepts the workload's own connections, otherwise like ServeInbound.
func (w *Workload) ServeOutbound(l net.Listener) error {
	return w.serve(l, telemetry.Outbound)
}

func (w *Workload) serve(l net.Listener, direction telemetry.Direction) error {
	defer l.Close()
	w.mu.Lock()
	w.listeners[l] = struct{}{}
	ending := w.ending
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.listeners, l)
		w.mu.Unlock()
	}()
	if ending {
		return nil
	}
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			w.accept(conn, direction)
		case w.isEnding():
			return nil
		case passes(err):
			time.Sleep(acceptPause)
		default:
			return fmt.Errorf("accepting %s connections: %w", direction, err)
		}
	}
}

// acceptPause is how long to leave a system alone that has run out of something.
const acceptPause = 20 * time.Millisecond

// passes says whether accepting may work again after an error: the client was gone already, or there were too many.
func passes(err error) bool {
	for _, passing := range []error{
		syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPERM,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// accept takes one connection, whichever way it goes.
func (w *Workload) accept(conn net.Conn, direction telemetry.Direction) {
	from := addressOf(conn.RemoteAddr())
	to, err := w.options.OriginalDestination(conn)
	if err != nil {
		w.turnAway(conn, direction, from, to, err)
		return
	}
	w.handle(conn, direction, from, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
}

func (w *Workload) turnAway(conn net.Conn, direction telemetry.Direction, from, to netip.AddrPort, why error) {
	reset(conn)
	w.record(w.entry(direction, from, to, refused(ReasonNotRedirected, why.Error())))
}

// ours are the ports of the pod that nobody is let in to. On those of the redirect a connection would meet the proxy again, and
// so for ever; on the admin port, and on that of the self-test, which leads there, it would pass for one of the pod itself.
func ours(port uint16) bool { return slices.Contains(naming.ReservedPorts(), int32(port)) }

// handle begins a flow.
func (w *Workload) handle(conn net.Conn, direction telemetry.Direction, from, to netip.AddrPort) {
	if direction == telemetry.Inbound && ours(to.Port()) {
		w.turnAway(conn, direction, from, to, fmt.Errorf("port %d is the proxy's own", to.Port()))
		return
	}
	f := &flow{workload: w, from: from, sockets: []net.Conn{conn}}
	f.entry = w.entry(direction, from, to, ending{rule: authz.NoRule})
	generation := w.generation.Load()
	if err := w.begin(f); err != nil {
		reason := ReasonTooManyConnections
		if errors.Is(err, errEnding) {
			reason = ReasonShutdown
		}
		reset(conn)
		w.record(w.entry(direction, from, to, refused(reason, err.Error())))
		return
	}
	if direction == telemetry.Inbound {
		go (&arrival{flow: f, generation: generation, socket: conn, to: to}).run()
		return
	}
	go (&departure{flow: f, generation: generation, client: conn, to: to}).run()
}

// entry is what there is to say of a connection at its beginning.
func (w *Workload) entry(direction telemetry.Direction, from, to netip.AddrPort, e ending) telemetry.Entry {
	entry := telemetry.Entry{
		Start: time.Now(), Direction: direction, Protocol: "tcp", Source: from, Destination: to,
		Verdict: e.verdict, Reason: e.reason, Detail: e.detail, Rule: e.rule,
	}
	if s := w.state.Load(); s != nil {
		if direction == telemetry.Inbound {
			entry.DestinationIdentity = s.config.Identity
		} else {
			entry.SourceIdentity = s.config.Identity
		}
	}
	return entry
}

func addressOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	address := tcp.AddrPort()
	return netip.AddrPortFrom(address.Addr().Unmap(), address.Port())
}
