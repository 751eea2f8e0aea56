package http

import (
	"errors"
	"os"
	"sync"
	"time"
)

// past is a deadline that has passed: it wakes whoever reads.
var past = time.Unix(1, 0)

// idle is the wait between requests, which draining ends.
type idle struct {
	mu               sync.Mutex
	waiting, drained bool
}

// drain ends the wait, now or when it begins.
func (i *idle) drain(r *reader) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.drained = true
	if i.waiting {
		_ = r.conn.SetReadDeadline(past)
	}
}

// wait waits for the first bytes of the next request; false: there is none.
func (i *idle) wait(r *reader) bool {
	r.shrink()
	r.expire(time.Now().Add(idleTimeout))
	i.mu.Lock()
	i.waiting = !i.drained
	begin := i.waiting
	i.mu.Unlock()
	if !begin {
		return false
	}
	err := r.fill(smallBuffer)
	i.mu.Lock()
	i.waiting = false
	if i.drained {
		r.forget() // of the deadline that woke us
	}
	i.mu.Unlock()
	return err == nil
}

// watchAfter is how long an application may take before somebody looks whether its client is still there. Quick answers
// do not pay for it.
const watchAfter = time.Second

// watch reads ahead from a client whose request is with the application, to notice that it went away: what the application
// does for it then is in vain. It shares the reader with the exchange, which has it back after stop.
type watch struct {
	client *reader
	// gone is called when the client has closed its connection.
	gone  func()
	timer *time.Timer
	ended chan struct{}
	// started: the reader is given away. Start and stop happen one after the other, though not in one goroutine.
	started bool
}

func newWatch(client *reader, gone func()) *watch {
	w := &watch{client: client, gone: gone, ended: make(chan struct{}, 1)}
	w.timer = time.AfterFunc(time.Hour, w.run)
	w.timer.Stop()
	return w
}

// start gives the reader away until stop.
func (w *watch) start() {
	w.started = true
	w.timer.Reset(watchAfter)
}

// stop takes the reader back, if it was given away.
func (w *watch) stop() {
	if !w.started {
		return
	}
	w.started = false
	if w.timer.Stop() {
		return
	}
	_ = w.client.conn.SetReadDeadline(past)
	<-w.ended
	w.client.forget()
}

func (w *watch) run() {
	var err error
	for err == nil {
		err = w.client.fill(smallBuffer)
	}
	if !errors.Is(err, errBufferFull) && !errors.Is(err, os.ErrDeadlineExceeded) {
		w.gone()
	}
	w.ended <- struct{}{}
}
