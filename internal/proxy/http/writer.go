package http

import (
	"net"
	"strconv"
	"sync"
)

// writer collects what goes to a connection, so that a head and a small body are one write. It remembers its first error and
// then does nothing. It is not safe for concurrent use.
type writer struct {
	conn net.Conn
	buf  []byte
	// pooled is where buf came from and goes back to.
	pooled *[]byte
	// written counts the bytes that were taken by the connection.
	written int64
	err     error
}

// flushAt is how much a writer collects before it writes, in bytes: one TLS record.
const flushAt = 16 << 10

var writeBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, smallBuffer)
	return &b
}}

// acquire gives the writer a buffer to collect in.
func (w *writer) acquire() {
	if w.buf == nil {
		w.pooled = writeBuffers.Get().(*[]byte)
		w.buf = (*w.pooled)[:0]
	}
}

// release gives the buffer back; what is in it is lost.
func (w *writer) release() {
	if w.buf != nil && cap(w.buf) <= copyBuffer {
		*w.pooled = w.buf
		writeBuffers.Put(w.pooled)
	}
	w.buf, w.pooled = nil, nil
}

// text collects strings.
func (w *writer) text(parts ...string) {
	for _, part := range parts {
		w.buf = append(w.buf, part...)
	}
}

// number collects a decimal number.
func (w *writer) number(n int64) { w.buf = strconv.AppendInt(w.buf, n, 10) }

// framing collects the field that says how the body ends.
func (w *writer) framing(f framing) {
	switch f.kind {
	case byLengthOf:
		w.text("Content-Length: ")
		w.number(f.length)
		w.text("\r\n")
	case byChunks:
		w.text("Transfer-Encoding: chunked\r\n")
	default:
	}
}

// Write collects a little, and writes through what is much.
func (w *writer) Write(p []byte) (int, error) {
	if len(w.buf)+len(p) <= flushAt {
		w.buf = append(w.buf, p...)
		return len(p), w.err
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	return w.through(p)
}

// flush writes what was collected.
func (w *writer) flush() error {
	if len(w.buf) > 0 {
		_, _ = w.through(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}

func (w *writer) through(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.conn.Write(p)
	w.written += int64(n)
	w.err = err
	return n, err
}
