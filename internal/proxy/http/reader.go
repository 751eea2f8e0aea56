package http

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// reader reads a connection through a buffer that can be looked into before it is consumed. It is small while nothing
// large is read, grows for a large head, and can be given back while nothing is in it. It is not safe for concurrent use.
type reader struct {
	conn net.Conn
	buf  []byte // nil or from smallBuffers, or larger
	r, w int    // buf[r:w] has been read and not consumed
	// read counts the bytes that came.
	read int64
	// deadline is the connection's read deadline as last set.
	deadline time.Time
}

var smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}

var errBufferFull = errors.New("more than the buffer may hold")

func newReader(conn net.Conn) *reader { return &reader{conn: conn} }

// buffered is what was read and not consumed, valid until the next read.
func (r *reader) buffered() []byte { return r.buf[r.r:r.w] }

// consume drops the first n buffered bytes.
func (r *reader) consume(n int) {
	r.r += n
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
}

// fill reads more, at most until limit bytes are buffered.
func (r *reader) fill(limit int) error {
	if r.w-r.r >= limit {
		return errBufferFull
	}
	r.makeRoom(limit)
	end := min(len(r.buf), r.r+limit)
	n, err := r.conn.Read(r.buf[r.w:end])
	r.w += n
	r.read += int64(n)
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

func (r *reader) makeRoom(limit int) {
	switch {
	case r.buf == nil:
		r.buf = smallBuffers.Get().(*[smallBuffer]byte)[:]
	case r.w < len(r.buf):
	case r.r > 0:
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	default:
		larger := make([]byte, min(2*len(r.buf), limit))
		r.w = copy(larger, r.buf[r.r:r.w])
		r.r = 0
		r.giveBack()
		r.buf = larger
	}
}

// Read gives what is buffered first.
func (r *reader) Read(p []byte) (int, error) {
	if r.r < r.w {
		n := copy(p, r.buf[r.r:r.w])
		r.consume(n)
		return n, nil
	}
	n, err := r.conn.Read(p)
	r.read += int64(n)
	return n, err
}

// release gives the buffer back unless something is in it.
func (r *reader) release() {
	if r.r == r.w {
		r.giveBack()
		r.buf, r.r, r.w = nil, 0, 0
	}
}

func (r *reader) giveBack() {
	if len(r.buf) == smallBuffer {
		smallBuffers.Put((*[smallBuffer]byte)(r.buf))
	}
}

// shrink gives back a buffer that was enlarged for one head, once nothing is in it.
func (r *reader) shrink() {
	if len(r.buf) > smallBuffer {
		r.release()
	}
}

// expire sets the deadline for reading; the zero time is none. Setting it costs as much as a small system call, so one that
// differs by little is left as it is.
func (r *reader) expire(at time.Time) {
	if !at.IsZero() && !r.deadline.IsZero() {
		if difference := at.Sub(r.deadline).Abs(); difference < headTimeout/10 {
			return
		}
	} else if at.Equal(r.deadline) {
		return
	}
	r.deadline = at
	_ = r.conn.SetReadDeadline(at) // fails on a closed connection, as will the read
}

// forget takes the deadline away, whoever has set it.
func (r *reader) forget() {
	r.deadline = time.Time{}
	_ = r.conn.SetReadDeadline(time.Time{})
}

// preface is what an HTTP/2 client sends first (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// hasPreface waits for the first bytes, consumes none, and says whether they are those of HTTP/2.
func (r *reader) hasPreface() (bool, error) {
	for {
		got := r.buffered()
		n := min(len(got), len(preface))
		if string(got[:n]) != preface[:n] {
			return false, nil
		}
		if n == len(preface) {
			return true, nil
		}
		if n > 0 {
			r.expire(time.Now().Add(headTimeout))
		}
		if err := r.fill(smallBuffer); err != nil {
			return false, err
		}
	}
}
