package http

import (
	"errors"
	"time"

	"golang.org/x/net/http2"
)

// h2Stream is one request and its answer: a stream of the client and one of the application, mapped onto each other.
type h2Stream struct {
	session  *h2Session
	exchange exchange
	scheme   string
	head     bool // HEAD: its answer has no body
	// declared is the content-length of the request, -1 without one, and seen what has come.
	declared, seen int64

	// Guarded by the session's mutex.
	down, up h2Half
	answered bool // the answer's head has come, or we have answered
	moved    bool // to another connection, once
	failed   *refusal
	finished bool
	next     *h2Stream // that has finished
}

// h2Half is a stream as one of the two connections has it.
type h2Half struct {
	end    *h2End // nil: never got one
	stream *h2Stream
	other  *h2Half
	id     uint32 // 0: not opened yet
	queue  h2Queue
	send   int // the window for what we send
	window h2Window

	sentEnd, receivedEnd, closed bool

	listed bool // in a list, where next follows
	next   *h2Half
}

// pass sends a header block on to the other side. nil is nothing, and with it only the end of the stream passes.
func (h *h2Half) pass(fields *h2Fields, end bool) {
	h.receivedEnd = h.receivedEnd || end
	if to := h.other; !to.closed {
		to.queue.push(h2Item{fields: fields, end: end})
		if to.end != nil {
			to.end.schedule(to)
		}
	} else if fields != nil {
		fields.free()
	}
	h.stream.settle()
}

// reset ends this half with RST_STREAM; what it had to send is dropped.
func (h *h2Half) reset(code http2.ErrCode) {
	if h.closed {
		return
	}
	if h.id != 0 && !h.end.dead {
		_ = h.end.frames.WriteRSTStream(h.id, code)
		h.end.wake.Signal()
	}
	h.drop()
}

// drop forgets this half, without a word to its end.
func (h *h2Half) drop() {
	if h.closed {
		return
	}
	h.closed = true
	h.other.forwarded(h.queue.discard())
	if e := h.end; e != nil {
		if h.id != 0 {
			delete(e.streams, h.id)
		}
		e.streamGone()
	}
}

// settle draws the conclusions of what has happened to either half.
func (st *h2Stream) settle() {
	d, u := &st.down, &st.up
	if u.sentEnd && u.receivedEnd {
		u.drop()
	}
	if d.sentEnd && d.receivedEnd {
		d.drop()
	} else if d.sentEnd && u.closed {
		d.reset(http2.ErrCodeNo) // answered in full, and nobody wants the rest of the request
	}
	if d.closed && !u.receivedEnd {
		u.reset(http2.ErrCodeCancel)
	}
	if d.closed && u.closed && !st.finished {
		st.finished = true
		if st.failed == nil {
			st.session.resets.earn(1)
		}
		st.next, st.session.finished = st.session.finished, st
	}
}

// count adds to the bytes of the log.
func (st *h2Stream) count(h *h2Half, n int) {
	if h == &st.up {
		st.exchange.received += int64(n)
	} else {
		st.exchange.sent += int64(n)
	}
}

// onReset takes in RST_STREAM.
func (e *h2End) onReset(f *http2.RSTStreamFrame) error {
	h := e.streams[f.StreamID]
	if h == nil {
		return e.checkKnown(f.StreamID)
	}
	st := h.stream
	if !e.server {
		st.appReset(f.ErrCode)
		return nil
	}
	if !st.up.receivedEnd {
		if st.failed == nil {
			st.failed = clientGone("the client gave the request up: " + f.ErrCode.String())
		}
		if !e.session.resets.spend(time.Now()) {
			return h2Error{http2.ErrCodeEnhanceYourCalm, "too many requests are given up"}
		}
	}
	h.drop()
	st.up.reset(f.ErrCode)
	st.settle()
	return nil
}

// abandon ends a stream whose client is no longer there.
func (st *h2Stream) abandon() {
	if st.failed == nil {
		st.failed = clientGone("the client's connection ended")
	}
	st.up.reset(http2.ErrCodeCancel)
	st.down.drop()
	st.settle()
}

// abort ends a stream because of what the other end of e did wrong on it.
func (e *h2End) abort(h *h2Half, code http2.ErrCode) error {
	st := h.stream
	h.reset(code)
	if !e.server {
		st.appFailed(badResponse("it breaks the rules of HTTP/2: " + code.String()))
		return nil
	}
	if st.failed == nil {
		st.failed = badRequest("the request breaks the rules of HTTP/2: " + code.String())
	}
	st.up.reset(http2.ErrCodeCancel)
	st.settle()
	if !e.session.resets.spend(time.Now()) {
		return h2Error{http2.ErrCodeEnhanceYourCalm, "too many requests break the rules"}
	}
	return nil
}

// appReset passes on a reset of the application. After a complete answer it means that the rest of the request is not
// wanted, and must not overtake the answer.
func (st *h2Stream) appReset(code http2.ErrCode) {
	complete := st.up.receivedEnd
	st.up.drop()
	if complete {
		if !st.down.closed && !st.down.sentEnd {
			st.down.queue.push(h2Item{reset: true, code: code})
			st.down.end.schedule(&st.down)
		}
	} else {
		st.failed = brokenOff(errors.New("RST_STREAM, " + code.String()))
		st.down.reset(code)
	}
	st.settle()
}

// notAsked gives back a stream that the application has not seen: the client may ask again (RFC 9113 section 8.7).
func (st *h2Stream) notAsked(why *refusal) {
	st.failed = why
	st.up.drop()
	st.down.reset(http2.ErrCodeRefusedStream)
	st.settle()
}

// appFailed ends a stream of which the application will not say more: with an answer, where none has begun.
func (st *h2Stream) appFailed(why *refusal) {
	complete := st.up.receivedEnd
	st.up.reset(http2.ErrCodeCancel)
	switch {
	case st.down.closed || complete:
		st.settle()
	case st.answered:
		st.failed = why
		st.down.reset(http2.ErrCodeInternal)
		st.settle()
	default:
		st.reply(why)
	}
}

// revoke is the abort of the exchange.
func (st *h2Stream) revoke() {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	if st.down.end != nil {
		st.end()
	}
}

// end ends a stream that is no longer allowed: with the answer of a denial where none has begun, else with a reset.
func (st *h2Stream) end() {
	if st.finished {
		return
	}
	if !st.answered && !st.down.closed {
		st.reply(denied(ReasonRevoked))
		return
	}
	st.up.reset(http2.ErrCodeCancel)
	st.down.reset(http2.ErrCodeCancel)
	st.settle()
}
