package netns

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// layered is a connection to the application from which every layer of TLS is taken that the peer begins, at the first Read.
type layered struct {
	net.Conn
	peel   sync.Once
	err    error
	layers int
}

// Read implements net.Conn.
func (l *layered) Read(p []byte) (int, error) {
	l.peel.Do(func() { l.err = l.takeOff() })
	if l.err != nil {
		return 0, l.err
	}
	return l.Conn.Read(p)
}

func (l *layered) takeOff() error {
	const handshakeRecord = 22
	for {
		ahead := &readAhead{l.Conn, bufio.NewReader(l.Conn)}
		first, err := ahead.reader.Peek(1)
		if err != nil {
			return err
		}
		if first[0] != handshakeRecord {
			l.Conn = ahead
			return nil
		}
		l.Conn = tls.Server(ahead, ownTLS())
		l.layers++
	}
}

// readAhead is a connection some bytes of which were read.
type readAhead struct {
	net.Conn
	reader *bufio.Reader
}

// Read implements net.Conn.
func (r *readAhead) Read(p []byte) (int, error) { return r.reader.Read(p) }

// layeredListener accepts layered connections.
type layeredListener struct{ net.Listener }

// Accept implements net.Listener.
func (l layeredListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &layered{Conn: conn}, nil
}

type connKey struct{}

// withConn lets handlers find their connection.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// layersOf is how many layers of TLS a request came in.
func layersOf(r *http.Request) int {
	conn, ok := r.Context().Value(connKey{}).(*layered)
	if !ok {
		return 0
	}
	return conn.layers
}
