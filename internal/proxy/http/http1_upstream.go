package http

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// upstream is the connection to the application. A client's connection has one at a time, so that nothing of one client
// ever meets anything of another.
type upstream struct {
	conn net.Conn
	in   *reader
	out  writer
	// used: it has carried an exchange, so the application may have closed it since.
	used bool

	// For looking at an idle connection: its socket, nil where it has none, and what is kept so that looking does not
	// allocate.
	raw    syscall.RawConn
	peek   func(fd uintptr) bool
	one    [1]byte
	silent bool
}

func newUpstream(conn net.Conn) *upstream {
	u := &upstream{conn: conn, in: newReader(conn), out: writer{conn: conn}}
	if socket, ok := conn.(syscall.Conn); ok {
		u.raw, _ = socket.SyscallConn() // fails only on a closed connection, as will the first write
	}
	u.peek = u.look
	return u
}

// rest gives the buffers back between exchanges.
func (u *upstream) rest() {
	u.used = true
	u.in.release()
	u.out.release()
}

// quiet says that the application has neither closed the connection nor sent anything unasked, which would be taken for the
// answer to the next request.
func (u *upstream) quiet() bool {
	if len(u.in.buffered()) > 0 {
		return false
	}
	return u.raw == nil || u.raw.Read(u.peek) == nil && u.silent
}

// look peeks at a socket without waiting.
func (u *upstream) look(fd uintptr) bool {
	_, _, err := syscall.Recvfrom(int(fd), u.one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	u.silent = errors.Is(err, syscall.EAGAIN)
	return true
}

// connect makes sure that there is a connection to the application that can carry an exchange.
func (h *http1) connect(ctx context.Context) error {
	if h.app != nil && h.app.quiet() {
		h.app.out.acquire()
		return nil
	}
	h.disconnect()
	conn, err := h.session.dial(ctx)
	if err != nil {
		return err
	}
	h.app = newUpstream(conn)
	h.app.out.acquire()
	h.ends.set(conn)
	return nil
}

// disconnect closes the connection to the application, if there is one.
func (h *http1) disconnect() {
	if h.app == nil {
		return
	}
	h.count()
	h.app.rest()
	_ = h.app.conn.Close() // nothing depends on how it is closed
	h.app = nil
}

// count adds to the exchange what went to and came from the application since the last time.
func (h *http1) count() {
	h.x.received += h.app.out.written
	h.x.sent += h.app.in.read
	h.app.out.written, h.app.in.read = 0, 0
}
