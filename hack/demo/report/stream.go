package report

import (
	"bytes"
	"fmt"
	"sync"
	"time"
)

// heartbeat is how long a command may be silent before the reader is told that it still runs.
const heartbeat = 10 * time.Second

// Stream shows the output of a running command as it comes, indented. It is for many goroutines.
type Stream struct {
	report  *Report
	started time.Time
	stop    func()
	ended   chan struct{}

	mu   sync.Mutex
	rest []byte // of a line that has not ended
	last time.Time
}

// Stream is open until it is closed; nothing else may be reported in the meantime.
func (r *Report) Stream() *Stream {
	ticker, done := time.NewTicker(heartbeat/10), make(chan struct{})
	now := time.Now()
	s := &Stream{report: r, started: now, last: now, ended: make(chan struct{})}
	s.stop = func() { ticker.Stop(); close(done) }
	go func() {
		defer close(s.ended)
		for {
			select {
			case now := <-ticker.C:
				s.beat(now)
			case <-done:
				return
			}
		}
	}()
	return s
}

// Write shows every line that is whole.
func (s *Stream) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	s.rest = append(s.rest, data...)
	for {
		line, rest, whole := bytes.Cut(s.rest, []byte{'\n'})
		if !whole {
			return len(data), nil
		}
		s.report.Line(string(line))
		s.rest = rest
	}
}

func (s *Stream) beat(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.last) >= heartbeat {
		s.last = now
		s.report.Line(s.report.paint(faint, fmt.Sprintf("… %s", now.Sub(s.started).Round(time.Second))))
	}
}

// Close shows what is left.
func (s *Stream) Close() error {
	s.stop()
	<-s.ended
	if len(s.rest) > 0 {
		s.report.Line(string(s.rest))
	}
	return nil
}
