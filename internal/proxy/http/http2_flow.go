package http

import "golang.org/x/net/http2"

// The windows that we give. What they cost is memory only while a reader is slower than its writer: a stream holds at most
// its window, a connection at most its own, in each direction.
const (
	h2StreamWindow     = 512 << 10
	h2ConnectionWindow = 8 << 20
	// h2DefaultWindow is what both sides begin with (RFC 9113 section 6.9.2).
	h2DefaultWindow = 1<<16 - 1
	h2MaxWindow     = 1<<31 - 1
)

// h2Window is what a sender may still send to us. It is given back when the bytes have gone out on the other side and not
// before, so that a slow reader slows its writer.
type h2Window struct {
	left, unreturned int
}

// take is false when the sender has sent more than it was allowed to.
func (w *h2Window) take(n int) bool {
	if n > w.left {
		return false
	}
	w.left -= n
	return true
}

// giveBack returns the increment that is due, 0 while it is not worth a frame: it is small, and the sender has more than as
// much left. What is left may be little for long, where other streams hold the most of a connection's window.
func (w *h2Window) giveBack(n, size int) uint32 {
	w.unreturned += n
	if w.unreturned < min(size/4, w.left) {
		return 0
	}
	increment := w.unreturned
	w.left += increment
	w.unreturned = 0
	return uint32(increment)
}

// forwarded gives n bytes back to the sender that they came from.
func (h *h2Half) forwarded(n int) {
	if n == 0 || h.end == nil {
		return
	}
	h.end.giveBack(n)
	if h.closed || h.receivedEnd || h.end.dead {
		return // nothing more will come on this stream
	}
	if increment := h.window.giveBack(n, h2StreamWindow); increment > 0 {
		_ = h.end.frames.WriteWindowUpdate(h.id, increment)
		h.end.wake.Signal()
	}
}

// giveBack returns window of the connection.
func (e *h2End) giveBack(n int) {
	if e.dead {
		return
	}
	if increment := e.window.giveBack(n, h2ConnectionWindow); increment > 0 {
		_ = e.frames.WriteWindowUpdate(0, increment)
		e.wake.Signal()
	}
}

// onWindowUpdate lets us send more.
func (e *h2End) onWindowUpdate(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if e.send += int(f.Increment); e.send > h2MaxWindow {
			return h2Error{http2.ErrCodeFlowControl, "the window of the connection was made too large"}
		}
		if e.starved {
			e.starved = false
			for _, h := range e.streams {
				e.schedule(h)
			}
		}
		return nil
	}
	h := e.streams[f.StreamID]
	if h == nil {
		return e.checkKnown(f.StreamID)
	}
	if h.send += int(f.Increment); h.send > h2MaxWindow {
		return e.abort(h, http2.ErrCodeFlowControl)
	}
	e.schedule(h)
	return nil
}

// resizeWindows applies a change of SETTINGS_INITIAL_WINDOW_SIZE to the streams there are.
func (e *h2End) resizeWindows(size uint32) error {
	delta := int(size) - e.initialSend
	e.initialSend = int(size)
	for _, h := range e.streams {
		if h.send += delta; h.send > h2MaxWindow {
			return h2Error{http2.ErrCodeFlowControl, "the window of a stream was made too large"}
		}
		e.schedule(h)
	}
	return nil
}
