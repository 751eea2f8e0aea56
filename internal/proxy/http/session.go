package http

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// Options are what a Server is made of.
type Options struct {
	// Identity is the workload's own SPIFFE ID, the By of X-Forwarded-Client-Cert.
	Identity string
	// Dial opens a connection to the application at the workload's own address.
	Dial func(ctx context.Context, to netip.AddrPort) (net.Conn, error)
	// Decide asks the policy of this moment.
	Decide func(authz.Request) authz.Decision
	// ReadsHeaders says whether the policy of this moment asks about header fields; where it does not, Decide is given none,
	// which saves making a map of them for every request. nil: it does. See authz.Engine.
	ReadsHeaders func() bool
	// Telemetry is told of every request when it has ended.
	Telemetry *telemetry.Recorder
}

// Connection is an inbound connection on a port that speaks HTTP, with its TLS taken off.
type Connection struct {
	// Conn carries the HTTP. The session closes it.
	Conn net.Conn
	// Peer is what the other end proved.
	Peer authz.Peer
	// Certificate is the peer's leaf; nil where none was proven.
	Certificate *x509.Certificate
	// SNI and TLSVersion of the handshake; empty without one.
	SNI, TLSVersion string
	// Destination is the workload's own address and port, before the redirect.
	Destination netip.AddrPort
	// Expires is when the peer's or our own certificate ends, whichever is first: the session drains before. Zero: never.
	Expires time.Time
}
