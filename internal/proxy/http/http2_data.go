package http

import (
	"io"
	"time"

	"golang.org/x/net/http2"
)

// readData reads a DATA frame straight into the chunk in which it goes on.
func (e *h2End) readData(header http2.FrameHeader) error {
	length, padding := int(header.Length), 0
	if header.StreamID == 0 {
		return h2Error{http2.ErrCodeProtocol, "DATA is for no stream"}
	}
	if header.Flags.Has(http2.FlagDataPadded) {
		if length == 0 {
			return h2Error{http2.ErrCodeFrameSize, "a frame is too short for its padding"}
		}
		first, err := e.in.ReadByte()
		if err != nil {
			return err
		}
		if padding = int(first) + 1; padding > length {
			return h2Error{http2.ErrCodeProtocol, "a frame is too short for its padding"}
		}
	}
	chunk := newH2Chunk()
	chunk.to = length - padding
	if _, err := io.ReadFull(e.in, chunk.bytes()); err != nil {
		chunk.free()
		return err
	}
	if _, err := e.in.Discard(max(padding-1, 0)); err != nil {
		chunk.free()
		return err
	}
	defer e.session.reap()
	e.session.mu.Lock()
	defer e.session.mu.Unlock()
	if !e.window.take(length) {
		chunk.free()
		return h2Error{http2.ErrCodeFlowControl, "the window of the connection was passed"}
	}
	if err := e.onData(header, chunk, padding); err != nil {
		return err
	}
	return e.checkControl()
}

// onData passes a piece of a body on, or gives its window back.
func (e *h2End) onData(header http2.FrameHeader, chunk *h2Chunk, padding int) error {
	n, end := chunk.to, header.Flags.Has(http2.FlagDataEndStream)
	if n == 0 && !end && e.server && !e.budget.spend(time.Now()) {
		chunk.free()
		return h2Error{http2.ErrCodeEnhanceYourCalm, "too many frames that carry nothing"}
	}
	h := e.streams[header.StreamID]
	if h == nil {
		chunk.free()
		e.giveBack(n + padding)
		return e.checkKnown(header.StreamID)
	}
	code, wrong := h.checkData(n, padding, end)
	if wrong || h.other.closed {
		chunk.free()
		if wrong {
			e.giveBack(n + padding)
			return e.abort(h, code)
		}
		h.receivedEnd = h.receivedEnd || end
		h.forwarded(n + padding)
		h.stream.settle()
		return nil
	}
	h.forwarded(padding)
	h.other.queue.pushData(chunk, end)
	if end {
		h.receivedEnd = true
		h.stream.settle()
	}
	if h.other.end != nil {
		h.other.end.schedule(h.other)
	}
	return nil
}

// checkData says what is wrong with a piece of a body.
func (h *h2Half) checkData(n, padding int, end bool) (code http2.ErrCode, wrong bool) {
	switch {
	case h.receivedEnd:
		return http2.ErrCodeStreamClosed, true
	case !h.window.take(n + padding):
		return http2.ErrCodeFlowControl, true
	case h.end.server:
		return http2.ErrCodeProtocol, !h.stream.takeBody(n, end)
	default:
		return http2.ErrCodeProtocol, !h.stream.answered
	}
}

// takeBody is false when a request's body is not as long as was declared: the application must not be left to decide where
// it ends.
func (st *h2Stream) takeBody(n int, end bool) bool {
	st.seen += int64(n)
	return st.declared < 0 || st.seen == st.declared || !end && st.seen < st.declared
}
