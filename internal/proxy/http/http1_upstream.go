package http

import (
	"context"
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
}

func newUpstream(conn net.Conn) *upstream {
	return &upstream{conn: conn, in: newReader(conn), out: writer{conn: conn}}
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
	raw, ok := u.conn.(syscall.Conn)
	if !ok {
		return true
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	var one [1]byte
	err = rc.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN
		return true
	})
	return err == nil && quiet
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
