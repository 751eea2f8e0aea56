package l4

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/warifu/warifu/internal/proxy/sniff"
)

// wire is the connection below a tls.Conn. During the handshake, and for a session of HTTP, it is a plain connection. When
// it is pumped it reads ahead: crypto/tls is then called only when there is something to decrypt, so that it holds no buffer
// of ours while it waits, and reads a record in one piece rather than asking the kernel for each header.
type wire struct {
	*sniff.Conn
	raw    syscall.RawConn
	sender *sender
	eager  bool // reads ahead, and does not wait in Read

	try      func(fd uintptr) bool
	ahead    *chunk
	from, to int   // of ahead
	aheadErr error // what ended reading

	// Records are collected in corked between cork and uncork. The reader of a tls.Conn may write as well (an answer to a
	// KeyUpdate), hence the lock.
	mu     sync.Mutex
	corked *chunk
	length int

	// places is set during the handshake, which has one of them while it computes.
	places chan struct{}
}

// newWire takes a connection that its first bytes may have been looked at.
func newWire(conn *sniff.Conn) (*wire, error) {
	s, ok := conn.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.New("TLS needs a socket below it")
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, raw: raw, sender: newSender(raw)}
	w.try = w.tryRead
	return w, nil
}

// NetConn is the socket, for those who must close it at once.
func (w *wire) NetConn() net.Conn { return w.Conn.Conn }

// nothingYet is the error of an eager wire that has nothing more to hand out. crypto/tls carries on after it, because it
// says that it is temporary.
type nothingYet struct{}

func (nothingYet) Error() string   { return "nothing to read yet" }
func (nothingYet) Timeout() bool   { return true }
func (nothingYet) Temporary() bool { return true }

func (w *wire) Read(p []byte) (int, error) {
	if !w.eager {
		return w.readWaiting(p)
	}
	if w.ahead == nil {
		if w.aheadErr != nil {
			return 0, w.aheadErr
		}
		return 0, nothingYet{}
	}
	n := copy(p, w.ahead[w.from:w.to])
	if w.from += n; w.from == w.to {
		w.drop()
	}
	return n, nil
}

// readWaiting gives the handshake's place away while it waits for the other end: who begins handshakes and does not go on would
// otherwise keep everybody else from theirs.
func (w *wire) readWaiting(p []byte) (int, error) {
	if w.places == nil {
		return w.Conn.Read(p)
	}
	<-w.places
	n, err := w.Conn.Read(p)
	w.places <- struct{}{}
	return n, err
}

// beginEager is called once, when the handshake is over.
func (w *wire) beginEager() {
	w.eager = true
	if _, held := w.Release(); len(held) > 0 {
		w.ahead = takeChunk()
		w.from, w.to = 0, copy(w.ahead[:], held) // sniff holds less than a chunk
	}
}

// wait returns when Read has something to hand out: bytes, or what ended the connection.
func (w *wire) wait() {
	if w.ahead != nil || w.aheadErr != nil {
		return
	}
	if err := w.raw.Read(w.try); err != nil {
		w.aheadErr = err
	}
}

func (w *wire) tryRead(fd uintptr) bool {
	w.ahead = takeChunk()
	n, err := readNow(fd, w.ahead[:])
	if n > 0 {
		w.from, w.to = 0, n
		return true
	}
	w.drop()
	switch err { //nolint:errorlint // of the kernel, unwrapped
	case syscall.EAGAIN:
		return false
	case nil:
		w.aheadErr = endOf(w.NetConn())
	default:
		w.aheadErr = err
	}
	return true
}

func (w *wire) drop() {
	giveChunk(w.ahead)
	w.ahead = nil
}

// cork collects what is written from now on, so that the kernel is called once for several records.
func (w *wire) cork() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.corked = takeChunk()
}

// uncork sends what was collected.
func (w *wire) uncork() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.flush()
	giveChunk(w.corked)
	w.corked = nil
	return err
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.corked == nil {
		return w.send(p)
	}
	if len(w.corked)-w.length < len(p) {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) > len(w.corked) {
		return w.send(p)
	}
	w.length += copy(w.corked[w.length:], p)
	return len(p), nil
}

func (w *wire) flush() error {
	if w.length == 0 {
		return nil
	}
	_, err := w.send(w.corked[:w.length])
	w.length = 0
	return err
}

func (w *wire) send(p []byte) (int, error) {
	if err := w.sender.send(p); err != nil {
		return 0, err // nobody goes on after an error
	}
	return len(p), nil
}

// SetWriteDeadline does nothing once the connection is pumped. crypto/tls gives close_notify five seconds to get into the
// socket's buffer, and a reader that pauses for longer must not find the stream cut off.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.eager {
		return nil
	}
	return w.Conn.SetWriteDeadline(t)
}
