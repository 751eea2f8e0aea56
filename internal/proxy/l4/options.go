package l4

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxy/http"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Options are what a Workload needs of the world. All functions are called from many goroutines.
type Options struct {
	// Source of the workload's own certificate and of the trust bundle.
	Source mtls.Source
	// OriginalDestination is where a redirected connection was going. An error refuses the connection.
	OriginalDestination func(net.Conn) (netip.AddrPort, error)
	// Dial opens a connection that is not redirected: to the workload's application, and to endpoints. It returns a
	// *net.TCPConn.
	Dial func(context.Context, netip.AddrPort) (net.Conn, error)
	// Lookup says what an address is.
	Lookup Lookup
	// OpenHTTP makes a session of a connection on a port that carries HTTP.
	OpenHTTP func(http.Connection) Session
	// ClientTLS makes the configuration for SIMPLE and MUTUAL.
	ClientTLS func(context.Context, proxyconfig.ClientTLS) (*tls.Config, error)
	// Own says whether an address is the workload's: its connections to itself stay in the process, because what a proxy
	// sends to its own pod is not redirected. nil: none is.
	Own func(netip.Addr) bool
	// Telemetry is told what becomes of connections. nil: nobody is.
	Telemetry Telemetry
	Limits    Limits
}

// Lookup answers what an address is.
type Lookup interface {
	// Address returns the answer that holds now: at once when the address is watched already, and otherwise when it has been
	// asked for. An error means that nobody could be asked and nothing is remembered; it is not the answer "unknown".
	Address(context.Context, netip.AddrPort) (proxyconfig.Address, error)
}

// Telemetry is told what becomes of connections, as *telemetry.Recorder is. It must not block.
type Telemetry interface {
	// Record is called for every connection when it has ended, except those on which package http tells of every request.
	Record(telemetry.Entry)
	// Opened and Closed are called for every connection.
	Opened(telemetry.Direction)
	Closed(telemetry.Direction)
	// Handshake is called for every TLS handshake of the proxy's own, with a Reason, or "" where it succeeded.
	Handshake(d telemetry.Direction, reason string)
}

// Session is an inbound connection on a port that carries HTTP; see package http.
type Session interface {
	// Serve blocks until the connection has ended and closes it. The end of the context ends it at once.
	Serve(context.Context) error
	// Recheck decides about what is open again.
	Recheck()
	// Drain takes nothing new, lets what is open finish, and ends.
	Drain()
}

// Limits bound what clients can use up. A zero is replaced by the default.
type Limits struct {
	// Connections open at a time, both ways together; by default there is no limit but that of open files.
	Connections int
	// Handshakes that compute at a time, both ways together. What is above waits, with its time running; what waits for the
	// other end does not count.
	Handshakes int
	// Handshake is how long a client may take to begin and to finish a TLS handshake.
	Handshake time.Duration
	// Connect is how long one endpoint may take to accept a connection, and the control plane to answer about an address.
	Connect time.Duration
	// Idle is how long a connection may be open without a byte either way. The default of an hour is longer than the
	// pools of common database drivers keep an unused connection; a peer that is gone is found much earlier, by TCP's
	// keep-alive, which Go turns on.
	Idle time.Duration
}

// The defaults.
const (
	defaultHandshake = 10 * time.Second
	defaultConnect   = 5 * time.Second
	defaultIdle      = time.Hour
	// handshakesPerCPU keeps a CPU busy, and leaves it to open connections as well when clients come in crowds.
	handshakesPerCPU = 8
)

func (l Limits) orDefault() Limits {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&l.Handshake, defaultHandshake}, {&l.Connect, defaultConnect}, {&l.Idle, defaultIdle}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if l.Handshakes == 0 {
		l.Handshakes = handshakesPerCPU * runtime.GOMAXPROCS(0)
	}
	return l
}
