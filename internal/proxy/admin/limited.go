package admin

import (
	"net"
	"net/netip"
	"sync"
)

// Bounds on open connections. Beyond them a connection is closed at once rather than left waiting: one that fills the port
// must not keep kubelet out, whose unanswered probe would restart the application.
const (
	maxConnections          = 512
	maxConnectionsOfAddress = 64
)

// limited is a listener that closes the connections of whoever has too many.
type limited struct {
	net.Listener

	mu   sync.Mutex
	all  int
	from map[netip.Addr]int
}

func newLimited(l net.Listener) *limited {
	return &limited{Listener: l, from: map[netip.Addr]int{}}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		if l.take(source.Addr()) {
			return &counted{Conn: conn, release: sync.OnceFunc(func() { l.release(source.Addr()) })}, nil
		}
		_ = conn.Close()
	}
}

func (l *limited) take(source netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= maxConnections || l.from[source] >= maxConnectionsOfAddress {
		return false
	}
	l.all++
	l.from[source]++
	return true
}

func (l *limited) release(source netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.from[source]--; l.from[source] == 0 {
		delete(l.from, source)
	}
}

// counted is a connection that gives back its place when it is closed.
type counted struct {
	net.Conn
	release func()
}

func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}
