package http

import (
	"encoding/binary"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

const (
	// h2WriteSize is about how much goes out in one write, when there is as much.
	h2WriteSize = 64 << 10
	// h2WriteTimeout is how long one such write may take: for an end that reads nothing at all.
	h2WriteTimeout = 5 * time.Minute
	// h2Linger is how long the other end has to read our GOAWAY.
	h2Linger = time.Second

	h2FrameHeader = 9
)

// h2WriteBuffers are shared: a connection has one only while it writes.
var h2WriteBuffers = sync.Pool{New: func() any {
	buffer := make([]byte, 0, h2WriteSize+h2ChunkSize+h2FrameHeader)
	return &buffer
}}

// write sends what there is to send until the end is dead, or ended.
func (e *h2End) write() {
	for e.awaitOutput() {
		buffer := h2WriteBuffers.Get().(*[]byte)
		out, last := e.gather((*buffer)[:0])
		e.session.reap()
		err := e.flush(out)
		*buffer = out
		if cap(out) <= 2*h2WriteSize {
			h2WriteBuffers.Put(buffer)
		}
		if err != nil {
			e.close() // the reader learns it and cleans up
			return
		}
		if last {
			e.hangUp()
			return
		}
	}
}

// awaitOutput is false when nothing more will be written.
func (e *h2End) awaitOutput() bool {
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	for !e.dead && !e.ending && len(e.control.bytes) == 0 && e.ready.head == nil && !e.canOpen() {
		e.wake.Wait()
	}
	return !e.dead
}

func (e *h2End) flush(out []byte) error {
	if len(out) == 0 {
		return nil
	}
	_ = e.conn.SetWriteDeadline(time.Now().Add(h2WriteTimeout))
	_, err := e.conn.Write(out)
	return err
}

// hangUp says that we are done and leaves the other end time to read it: closing at once could destroy what it has not read.
func (e *h2End) hangUp() {
	_ = e.conn.SetReadDeadline(time.Now().Add(h2Linger))
	if c, ok := e.conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

// gather appends frames to out: first what is bound to no window, then a frame of each stream in turn. last is true when
// this was all there will ever be.
func (e *h2End) gather(out []byte) (_ []byte, last bool) {
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	out = append(out, e.control.bytes...)
	if e.control.bytes = e.control.bytes[:0]; cap(e.control.bytes) > smallBuffer {
		e.control.bytes = nil // an idle connection holds little
	}
	out = e.open(out)
	for len(out) < h2WriteSize {
		h := e.ready.pop()
		if h == nil {
			return out, e.ending && len(e.control.bytes) == 0
		}
		out = e.emit(out, h)
	}
	return out, false
}

// emit appends the next frame of a stream, if its windows allow.
func (e *h2End) emit(out []byte, h *h2Half) []byte {
	if h.closed || h.queue.empty() {
		return out
	}
	item := h.queue.front()
	if item.reset {
		h.reset(item.code)
		h.stream.settle()
		return out
	}
	done, end := true, item.end
	switch {
	case item.request:
		out = e.appendHeaders(out, h.id, e.encodeRequest(h.stream), end)
	case item.fields != nil:
		out = e.appendHeaders(out, h.id, e.encode(item.fields), end)
		item.fields.free()
	case item.data != nil:
		out, done = e.appendData(out, h, item)
	default:
		out = appendFrameHeader(out, 0, http2.FrameData, http2.FlagDataEndStream, h.id)
	}
	if !done {
		return out
	}
	h.queue.pop()
	if end {
		h.sentEnd = true
		h.stream.settle()
	}
	e.schedule(h)
	return out
}

// appendData sends as much of a chunk as may be sent. Where that is nothing the stream leaves the ready list; the
// WINDOW_UPDATE brings it back.
func (e *h2End) appendData(out []byte, h *h2Half, item *h2Item) (_ []byte, done bool) {
	chunk := item.data
	n := min(chunk.to-chunk.from, e.maxFrame, h.send, e.send)
	if n <= 0 {
		e.starved = e.starved || e.send <= 0
		return out, false
	}
	data := chunk.buf[chunk.from : chunk.from+n]
	chunk.from += n
	done = chunk.from == chunk.to
	var flags http2.Flags
	if done && item.end {
		flags = http2.FlagDataEndStream
	}
	out = appendFrameHeader(out, n, http2.FrameData, flags, h.id)
	out = append(out, data...)
	h.send -= n
	e.send -= n
	e.budget.earn(h2FrameEarned)
	h.stream.count(h, n)
	h.other.forwarded(n)
	if done {
		chunk.free()
	} else {
		e.schedule(h)
	}
	return out, done
}

// appendHeaders appends an encoded header block.
func (e *h2End) appendHeaders(out []byte, id uint32, block []byte, end bool) []byte {
	var flags http2.Flags
	if end {
		flags = http2.FlagHeadersEndStream
	}
	kind := http2.FrameHeaders
	for {
		n := min(len(block), h2ChunkSize) // every receiver takes as much
		if n == len(block) {
			flags |= http2.FlagHeadersEndHeaders
		}
		out = appendFrameHeader(out, n, kind, flags, id)
		out = append(out, block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return out
		}
		kind, flags = http2.FrameContinuation, 0
	}
}

func appendFrameHeader(out []byte, length int, kind http2.FrameType, flags http2.Flags, id uint32) []byte {
	out = append(out, byte(length>>16), byte(length>>8), byte(length), byte(kind), byte(flags))
	return binary.BigEndian.AppendUint32(out, id)
}
