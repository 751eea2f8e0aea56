package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// h2Session serves one HTTP/2 connection of a client, and has the connections to the application that its streams go to: one
// at a time, another when the application says that it takes no more on the first.
//
// Four goroutines do the work, a reader and a writer for each connection. There is none for a stream: a reader puts what has
// come into the queue of the stream's other half, and the writer over there takes from these queues in turn as windows allow.
// One mutex guards it all. It is never held while reading or writing, nor while policy is asked, and is taken after the
// mutex of the Session, never before it.
type h2Session struct {
	session *Session
	ctx     context.Context
	work    sync.WaitGroup

	mu   sync.Mutex
	down *h2End
	up   *h2End // where new streams go; nil: to be dialled
	ups  map[*h2End]struct{}
	// served: the application has greeted before on this connection of the client.
	served bool
	// finished streams are yet to be told to telemetry, which must not happen under the mutex.
	finished    *h2Stream
	resets      h2Budget
	streamLimit uint32 // as told to the client
	idle        *time.Timer
	draining    bool
	last        bool // the last GOAWAY is out
	closed      bool
}

func newH2Session(session *Session, in *bufio.Reader) *h2Session {
	s := &h2Session{
		session: session, ups: map[*h2End]struct{}{}, streamLimit: maxStreams,
		resets: newH2Budget(h2ResetBurst, h2ResetRate),
	}
	s.down = newH2End(s, true)
	s.down.attach(session.Conn, in)
	s.idle = time.AfterFunc(idleTimeout, s.drain)
	return s
}

// serve blocks until the connection has ended.
func (s *h2Session) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ctx = ctx
	defer context.AfterFunc(ctx, s.hangUp)()
	defer s.idle.Stop()
	_ = s.down.conn.SetReadDeadline(time.Now().Add(h2GreetTimeout))
	s.work.Go(s.down.write)
	err := s.down.read()
	s.goAway(err)
	s.mu.Lock()
	s.down.finished = errors.Is(err, io.EOF)
	s.mu.Unlock()
	cancel()
	s.hangUp()
	s.work.Wait()
	s.reap()
	var wrong h2Error
	if errors.As(err, &wrong) {
		return fmt.Errorf("HTTP/2 connection of a client: %w", wrong)
	}
	return nil // how its requests went is known already
}

// goAway tells the client why its connection ends, if it is the client that broke it, and gives it time to read that.
func (s *h2Session) goAway(err error) {
	var wrong h2Error
	if !errors.As(err, &wrong) {
		return
	}
	s.mu.Lock()
	_ = s.down.frames.WriteGoAway(s.down.lastID, wrong.code, []byte(wrong.reason))
	s.down.ending = true
	s.down.wake.Signal()
	s.mu.Unlock()
	_ = s.down.conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	_, _ = io.CopyN(io.Discard, s.down.in, lingerBytes)
}

// hangUp closes all connections and ends all streams.
func (s *h2Session) hangUp() {
	s.down.close()
	for _, e := range s.abandon() {
		e.close()
	}
}

// abandon ends all streams and returns the connections to the application.
func (s *h2Session) abandon() []*h2End {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, h := range s.down.streams {
		h.stream.abandon()
	}
	return slices.Collect(maps.Keys(s.ups))
}

// reap ends the exchanges of finished streams.
func (s *h2Session) reap() {
	s.mu.Lock()
	finished := s.finished
	s.finished = nil
	s.mu.Unlock()
	for st := finished; st != nil; st = st.next {
		s.session.end(&st.exchange, st.failed)
	}
}

// drain lets what is in flight finish and takes nothing new: a first GOAWAY that takes everything still on its way, and the
// last one when the client has seen it.
func (s *h2Session) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || s.down.dead {
		return
	}
	s.draining = true
	_ = s.down.frames.WriteGoAway(h2MaxWindow, http2.ErrCodeNo, nil)
	_ = s.down.frames.WritePing(false, drainPing)
	s.down.wake.Signal()
	time.AfterFunc(h2Linger, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lastCall()
	})
}

// lastCall takes no new streams from here on. The connection ends with the last one that there is.
func (s *h2Session) lastCall() {
	if !s.draining || s.last || s.down.dead {
		return
	}
	s.last = true
	_ = s.down.frames.WriteGoAway(s.down.lastID, http2.ErrCodeNo, nil)
	s.down.wake.Signal()
	s.down.streamGone()
}

// streamGone is called when an end has one stream less.
func (e *h2End) streamGone() {
	none := len(e.streams) == 0
	switch {
	case !e.server:
		e.ending = e.ending || e.draining && none
		if e.ending || e.opening.head != nil {
			e.wake.Signal()
		}
	case none && e.session.last:
		e.ending = true
		e.wake.Signal()
	case none && !e.session.closed:
		e.session.idle.Reset(idleTimeout)
	}
}
