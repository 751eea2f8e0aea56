package l4

import (
	"fmt"
	"io"
	"net"
	"syscall"
)

// end is one side of a connection that is pumped. Each direction has one goroutine, so there is one reader and one writer.
type end interface {
	// read waits for bytes. The chunk, which the caller gives back, holds n of them. While it waits it holds no chunk.
	// io.EOF: the other side has finished sending.
	read() (c *chunk, n int, err error)
	// write sends all of it.
	write([]byte) error
	// closeWrite tells the other side that nothing more comes.
	closeWrite() error
	// close ends the connection in good order, when both directions have finished.
	close()
}

// socket is what the pump needs of a connection without TLS: a *net.TCPConn, or a *net.UnixConn within the process.
type socket interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// rawEnd is an end without TLS.
type rawEnd struct {
	socket
	raw    syscall.RawConn
	sender *sender
	prefix []byte // was read before the pump began

	// Of the read under way. They are fields, and try is made once, so that reading allocates nothing.
	try    func(fd uintptr) bool
	got    *chunk
	gotN   int
	gotErr error
}

// newRawEnd takes a connection and the bytes of it that were read already.
func newRawEnd(conn net.Conn, prefix []byte) (*rawEnd, error) {
	s, ok := conn.(socket)
	if !ok {
		return nil, fmt.Errorf("a %T cannot be pumped: want a socket", conn)
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	e := &rawEnd{socket: s, raw: raw, sender: newSender(raw), prefix: prefix}
	e.try = e.tryRead
	return e, nil
}

func (e *rawEnd) read() (*chunk, int, error) {
	if len(e.prefix) > 0 {
		c := takeChunk()
		n := copy(c[:plainSize], e.prefix)
		if e.prefix = e.prefix[n:]; len(e.prefix) == 0 {
			e.prefix = nil
		}
		return c, n, nil
	}
	e.gotErr = nil
	if err := e.raw.Read(e.try); err != nil {
		return nil, 0, err
	}
	c, n, err := e.got, e.gotN, e.gotErr
	e.got = nil
	if err == nil && n > 0 {
		return c, n, nil
	}
	giveChunk(c)
	if err == nil {
		err = endOf(e.socket)
	}
	return nil, 0, err
}

// endOf is the error for a stream that is over.
func endOf(conn net.Conn) error {
	if h, ok := conn.(*handed); ok && h.wasReset() {
		return syscall.ECONNRESET
	}
	return io.EOF
}

// tryRead is called when there may be something to read, and says whether that was so.
func (e *rawEnd) tryRead(fd uintptr) bool {
	e.got = takeChunk()
	e.gotN, e.gotErr = readNow(fd, e.got[:plainSize])
	if e.gotErr == syscall.EAGAIN { //nolint:errorlint // of the kernel, unwrapped
		giveChunk(e.got)
		e.got = nil
		return false
	}
	return true
}

func (e *rawEnd) write(p []byte) error { return e.sender.send(p) }

func (e *rawEnd) closeWrite() error { return e.CloseWrite() }

func (e *rawEnd) close() { _ = e.Close() }

// reset ends a connection so that the other side learns that something went wrong: with RST rather than FIN. Safe from any
// goroutine, and more than once.
func reset(conn net.Conn) {
	switch conn := conn.(type) {
	case *net.TCPConn:
		_ = conn.SetLinger(0)
	case *handed:
		conn.broken.Store(true)
	}
	_ = conn.Close()
}

// bare is the end as a socket: what is read from it and written to it is what goes over the wire.
func (e *rawEnd) bare() *rawEnd { return e }
