package http

import (
	"bufio"
	"errors"
	"time"

	"golang.org/x/net/http2"
)

// h2LastID is from where on a connection to the application is replaced: the numbers of its streams end at 2^31.
const h2LastID = 1 << 30

// assign queues a stream for the application. It waits there until the application has greeted us and has a free place.
func (s *h2Session) assign(st *h2Stream) {
	e := s.up
	if e == nil || e.dead || e.draining || e.lastID >= h2LastID {
		if e != nil {
			e.draining = true
			e.streamGone()
		}
		e = newH2End(s, false)
		s.up, s.ups[e] = e, struct{}{}
		s.work.Go(func() { s.runUpstream(e) })
	}
	st.up.end = e
	e.opening.push(&st.up)
	e.wake.Signal()
}

// runUpstream is the life of a connection to the application.
func (s *h2Session) runUpstream(e *h2End) {
	conn, err := s.session.dial(s.ctx)
	if err != nil {
		s.lost(e, unreachable(err))
		return
	}
	s.mu.Lock()
	e.attach(conn, bufio.NewReaderSize(conn, smallBuffer))
	closed := s.closed
	s.mu.Unlock()
	if closed {
		e.close()
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(h2GreetTimeout))
	s.work.Go(e.write)
	err = e.read()
	s.lost(e, e.explainLoss(err))
}

// explainLoss says why a connection to the application ended.
func (e *h2End) explainLoss(err error) *refusal {
	var wrong h2Error
	switch {
	case errors.As(err, &wrong) && !e.greeted:
		return badResponse("it does not speak HTTP/2 without TLS: " + wrong.reason)
	case errors.As(err, &wrong):
		return badResponse("it breaks the rules of HTTP/2: " + wrong.Error())
	default:
		return brokenOff(err)
	}
}

// lost ends what was on a connection to the application. What the application never saw goes to another one.
func (s *h2Session) lost(e *h2End, why *refusal) {
	e.close()
	s.mu.Lock()
	delete(s.ups, e)
	if s.up == e {
		s.up = nil
	}
	for _, h := range e.streams {
		h.stream.appFailed(why)
	}
	s.moveOn(e, why)
	leaving := s.served && !e.greeted
	s.mu.Unlock()
	if leaving {
		s.drain()
	}
	s.reap()
}

// moveOn gives streams that wait for a connection another one: once, and only where this one had been good. Where one before it
// had been, the application is about to end, and the client may ask elsewhere what this one has not seen.
func (s *h2Session) moveOn(e *h2End, why *refusal) {
	for h := e.opening.pop(); h != nil; h = e.opening.pop() {
		st := h.stream
		switch {
		case h.closed:
		case !s.closed && s.served && !e.greeted:
			st.notAsked(why)
		case s.closed || st.moved || !e.greeted:
			st.appFailed(why)
		default:
			st.moved = true
			s.assign(st)
		}
	}
}

// onGoAway takes in GOAWAY. The client's says that it opens no more streams, which needs no answer. After the application's,
// new streams go elsewhere, and those that it did not take may be tried again.
func (e *h2End) onGoAway(f *http2.GoAwayFrame) error {
	if e.server {
		return nil
	}
	s := e.session
	e.draining = true
	if s.up == e {
		s.up = nil
	}
	for id, h := range e.streams {
		if id > f.LastStreamID {
			h.drop()
			h.stream.appReset(http2.ErrCodeRefusedStream)
		}
	}
	s.moveOn(e, brokenOff(errors.New("GOAWAY, "+f.ErrCode.String())))
	e.streamGone()
	return nil
}

// schedule lets the writer know that a stream has something to send.
func (e *h2End) schedule(h *h2Half) {
	if h.closed || h.id == 0 || h.queue.empty() {
		return
	}
	e.ready.push(h)
	e.wake.Signal()
}

func (e *h2End) canOpen() bool {
	return !e.server && e.greeted && !e.draining && e.opening.head != nil && len(e.streams) < int(e.maxStreams)
}

// open gives waiting streams their numbers, and sends their header block in the same breath: numbers must rise.
func (e *h2End) open(out []byte) []byte {
	for e.canOpen() && len(out) < h2WriteSize {
		h := e.opening.pop()
		if h.closed {
			continue
		}
		e.lastID = (e.lastID + 1) | 1
		h.id, h.send = e.lastID, e.initialSend
		e.streams[h.id] = h
		out = e.emit(out, h)
	}
	return out
}
