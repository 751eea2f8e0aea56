package controlapi

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// Limits of connections.
const (
	// maxConnections in all, those included that wait for their handshake.
	maxConnections = maxStreams + 2000
	// maxPerAddress of one source: a proxy needs one; a node that hides its pods behind its own address has hundreds.
	maxPerAddress = 512
	// maxHandshakes at once: each costs two signatures, and there are few processors.
	maxHandshakes    = 64
	handshakeTimeout = 10 * time.Second
)

// handshakes is a listener of connections that have shaken hands. So many handshakes run at once and no more; whoever
// dawdles is closed.
type handshakes struct {
	net.Listener
	config *tls.Config
	log    logr.Logger

	ready  chan net.Conn
	slots  chan struct{}
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu   sync.Mutex
	all  int
	from map[netip.Addr]int
}

func newHandshakes(on net.Listener, config *tls.Config, log logr.Logger) *handshakes {
	h := &handshakes{
		Listener: on, config: config, log: log,
		ready: make(chan net.Conn), slots: make(chan struct{}, maxHandshakes), from: map[netip.Addr]int{},
	}
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	go h.accept()
	return h
}

// Accept implements net.Listener.
func (h *handshakes) Accept() (net.Conn, error) {
	select {
	case conn := <-h.ready:
		return conn, nil
	case <-h.ctx.Done():
		return nil, context.Cause(h.ctx)
	}
}

// Close implements net.Listener.
func (h *handshakes) Close() error {
	h.cancel(net.ErrClosed)
	return h.Listener.Close()
}

// accept takes connections until the listener fails.
func (h *handshakes) accept() {
	for {
		conn, err := h.Listener.Accept()
		if err != nil {
			var passing net.Error
			if errors.As(err, &passing) && passing.Timeout() {
				continue
			}
			h.cancel(err)
			return
		}
		release, ok := h.admit(conn.RemoteAddr())
		if !ok {
			refused.WithLabelValues(refusedConnections).Inc()
			_ = conn.Close()
			continue
		}
		go h.shake(&counted{Conn: conn, release: release})
	}
}

// admit counts a connection, until release; false where there are too many.
func (h *handshakes) admit(remote net.Addr) (release func(), ok bool) {
	var source netip.Addr
	if from, err := netip.ParseAddrPort(remote.String()); err == nil {
		source = from.Addr().Unmap()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all >= maxConnections || h.from[source] >= maxPerAddress {
		return nil, false
	}
	h.all++
	h.from[source]++
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all--
		if h.from[source]--; h.from[source] == 0 {
			delete(h.from, source)
		}
	}), true
}

// shake does the handshake of one connection and hands it on.
func (h *handshakes) shake(conn net.Conn) {
	ctx, cancel := context.WithTimeout(h.ctx, handshakeTimeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		_ = conn.Close()
		return
	}
	secured := tls.Server(conn, h.config)
	err := secured.HandshakeContext(ctx)
	<-h.slots
	if err == nil && secured.ConnectionState().NegotiatedProtocol != "h2" {
		err = errors.New("the client does not speak HTTP/2")
	}
	if err != nil {
		if !errors.Is(err, io.EOF) { // a health check of a load balancer says nothing
			refused.WithLabelValues(refusedHandshake).Inc()
			h.log.V(1).Info("Control API: handshake failed", "peer", conn.RemoteAddr().String(), "reason", err.Error())
		}
		_ = conn.Close()
		return
	}
	select {
	case h.ready <- secured:
	case <-h.ctx.Done():
		_ = conn.Close()
	}
}

// counted is a connection that gives its place back when it is closed.
type counted struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// quiet is where net/http complains about peers: nobody can do anything about what a stranger sends.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
