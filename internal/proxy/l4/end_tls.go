package l4

import (
	"crypto/tls"
	"errors"
	"io"
)

// errTruncated: the connection ended, and TLS did not say that it would.
var errTruncated = errors.New("the peer's connection ended without TLS's close_notify")

// mostRecord is the plaintext of one TLS record, in bytes.
const mostRecord = 16 << 10

// tlsEnd is an end with TLS, its handshake done.
type tlsEnd struct {
	conn *tls.Conn
	wire *wire
	// lenient takes the end of the connection for the end of the stream. Servers outside the mesh often do not say more.
	lenient bool

	more    bool  // there may be something left that needs no waiting
	pending error // came with bytes that were handed out first
}

func newTLSEnd(conn *tls.Conn, w *wire, lenient bool) *tlsEnd {
	w.beginEager()
	return &tlsEnd{conn: conn, wire: w, lenient: lenient, more: true}
}

func (e *tlsEnd) read() (*chunk, int, error) {
	for {
		if e.pending != nil {
			return nil, 0, e.pending
		}
		if !e.more {
			e.wire.wait()
		}
		c := takeChunk()
		n, err := e.fill(c[:plainSize])
		var yet nothingYet
		e.more = err == nil
		if err != nil && !errors.As(err, &yet) {
			e.pending = e.ending(err)
		}
		if n > 0 {
			return c, n, nil
		}
		giveChunk(c)
	}
}

// fill decrypts what was received, as far as it fits.
func (e *tlsEnd) fill(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = e.conn.Read(p[n:])
		n += more
	}
	return n, err
}

// ending tells the end that the peer declared from one that just happened.
func (e *tlsEnd) ending(err error) error {
	if errors.Is(err, io.EOF) && errors.Is(e.wire.aheadErr, io.EOF) && !e.lenient {
		return errTruncated
	}
	return err
}

// write sends several records at once: the kernel is called once for all of them.
func (e *tlsEnd) write(p []byte) error {
	if len(p) <= mostRecord {
		_, err := e.conn.Write(p)
		return err
	}
	e.wire.cork()
	_, err := e.conn.Write(p)
	return errors.Join(err, e.wire.uncork())
}

func (e *tlsEnd) closeWrite() error { return e.conn.CloseWrite() }

func (e *tlsEnd) close() { _ = e.conn.Close() }
