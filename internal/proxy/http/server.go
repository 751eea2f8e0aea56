package http

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// Server makes sessions. It is safe for concurrent use.
type Server struct {
	options Options
	record  func(telemetry.Entry)
}

// NewServer makes a server. Identity, Dial and Decide are needed.
func NewServer(options Options) *Server {
	return &Server{options: options, record: options.Telemetry.Record}
}

// Session is one inbound connection. Recheck and Drain may be called from any goroutine and at any time, also before Serve
// and after it.
type Session struct {
	Connection
	options *Options
	record  func(telemetry.Entry)
	// xfcc and entry are what is the same for every exchange of the connection.
	xfcc  string
	entry telemetry.Entry

	// generation counts the changes of policy. It changes with mu held.
	generation atomic.Uint64

	mu       sync.Mutex
	open     map[*exchange]struct{}
	draining bool
	onDrain  func()
}

// Open makes a session of a connection; Serve starts it.
func (srv *Server) Open(c Connection) *Session {
	s := &Session{
		Connection: c,
		options:    &srv.options,
		record:     srv.record,
		xfcc:       forwardedCert(srv.options.Identity, &c),
		open:       map[*exchange]struct{}{},
	}
	s.entry = telemetry.Entry{
		Direction:           telemetry.Inbound,
		Source:              netip.AddrPortFrom(c.Peer.Address, portOf(c.Conn)),
		Destination:         c.Destination,
		SourceIdentity:      c.Peer.Identity,
		DestinationIdentity: srv.options.Identity,
		TLSVersion:          c.TLSVersion,
	}
	return s
}

// Serve blocks until the connection has ended and closes it. The end of ctx ends it at once. The error is why a connection
// ended that should not have; how its requests went is told to telemetry.
func (s *Session) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.Conn.Close()
	defer context.AfterFunc(ctx, func() { hardClose(s.Conn) })()
	if !s.Expires.IsZero() {
		left := time.Until(s.Expires)
		defer time.AfterFunc(left-min(drainLead, left/2), s.Drain).Stop()
		defer time.AfterFunc(left, cancel).Stop()
	}
	client := newReader(s.Conn)
	defer client.release()
	client.expire(time.Now().Add(idleTimeout))
	s.whenDraining(func() { _ = s.Conn.SetReadDeadline(past) }) // nothing has begun; the versions know better
	second, err := client.hasPreface()
	switch {
	case err != nil && len(client.buffered()) == 0:
		return nil
	case err != nil:
		return fmt.Errorf("first bytes of an HTTP connection: %w", err)
	case second:
		s.entry.Protocol = "h2"
		return s.serveHTTP2(ctx, client)
	default:
		s.entry.Protocol = "http/1.1"
		return s.serveHTTP1(ctx, client)
	}
}

// Drain lets the exchanges under way finish, takes no new ones and then ends the connection. It does not wait.
func (s *Session) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	if s.onDrain != nil {
		s.onDrain()
	}
}

// whenDraining has f called once when the session drains, at once if it does already, and replaces what was set before. f is
// called with the session's lock
// held: it must neither wait nor call the session back.
func (s *Session) whenDraining(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDrain = f
	if s.draining {
		f()
	}
}

// isDraining says whether no new exchange should begin.
func (s *Session) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// dial connects to the application.
func (s *Session) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return s.options.Dial(ctx, s.Destination)
}

// hardClose resets what is under a connection, from any goroutine and without waiting. Closing TLS would first send an
// alert, to a peer that may not read; and what ends here must not look as if it had come to its end.
func hardClose(c net.Conn) {
	for {
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = inner.NetConn()
	}
	if tcp, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// portOf is the port that the other end of a connection came from, 0 where there is none.
func portOf(c net.Conn) uint16 {
	if address, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return address.AddrPort().Port()
	}
	return 0
}
