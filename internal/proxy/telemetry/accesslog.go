package telemetry

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxAlways bounds the lines a second of what is logged whatever the sample: whoever is refused could otherwise fill
	// the node's disk by trying again.
	maxAlways = 100
	// maxQueue bounds what waits for the writer, in bytes.
	maxQueue = 1 << 20
	// keptBuffer is the largest buffer that is kept for the next lines, in bytes.
	keptBuffer = 64 << 10
)

// accessLog chooses what is logged and holds it until it is written.
type accessLog struct {
	writer  io.Writer
	percent atomic.Uint32
	// allowed counts what is subject to the sample.
	allowed atomic.Uint32
	always  limiter

	limited, full, failed prometheus.Counter

	buffers sync.Pool
	mu      sync.Mutex
	queue   []byte
	spare   []byte
	// wake has an element while the queue has something new.
	wake chan struct{}
}

func newAccessLog(w io.Writer, m *metrics) *accessLog {
	return &accessLog{
		writer:  w,
		limited: m.linesLost.WithLabelValues("limit"),
		full:    m.linesLost.WithLabelValues("full"),
		failed:  m.linesLost.WithLabelValues("write"),
		buffers: sync.Pool{New: func() any { return new([]byte) }},
		wake:    make(chan struct{}, 1),
	}
}

func (l *accessLog) record(e *Entry) {
	if !l.wants(e) {
		return
	}
	buffer, _ := l.buffers.Get().(*[]byte)
	*buffer = appendLine((*buffer)[:0], e)
	l.add(*buffer)
	l.buffers.Put(buffer)
}

func (l *accessLog) wants(e *Entry) bool {
	if e.Verdict == Allowed && len(e.Reports) == 0 {
		return l.sampled()
	}
	if !l.always.take(time.Now()) {
		l.limited.Inc()
		return false
	}
	return true
}

// sampled spreads the sample evenly. The multiplier, 2³² by the golden ratio, keeps it out of step with traffic that comes in
// a rhythm; every hundred in a row have their percentage to within two.
func (l *accessLog) sampled() bool {
	percent := l.percent.Load()
	if percent == 0 {
		return false
	}
	n := l.allowed.Add(1) * 0x9e3779b9
	return uint64(n)*100>>32 < uint64(percent)
}

func (l *accessLog) add(line []byte) {
	l.mu.Lock()
	fits := len(l.queue)+len(line) <= maxQueue
	if fits {
		l.queue = append(l.queue, line...)
	}
	l.mu.Unlock()
	if !fits {
		l.full.Inc()
		return
	}
	select {
	case l.wake <- struct{}{}:
	default: // it is awake
	}
}

func (l *accessLog) run(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-second.C:
		case <-l.wake:
			l.flush()
			continue
		}
		if count := l.always.suppressed.Swap(0); count > 0 {
			l.add(appendSuppressed(nil, count, time.Now()))
		}
	}
	l.flush()
}

// flush writes what waits. The queue is free for new lines meanwhile.
func (l *accessLog) flush() {
	l.mu.Lock()
	lines := l.queue
	l.queue, l.spare = l.spare[:0], nil
	l.mu.Unlock()
	if len(lines) > 0 {
		if n, err := l.writer.Write(lines); err != nil {
			l.failed.Add(float64(bytes.Count(lines[n:], []byte{'\n'})))
		}
	}
	if cap(lines) <= keptBuffer {
		l.mu.Lock()
		l.spare = lines[:0]
		l.mu.Unlock()
	}
}

// limiter lets maxAlways through in every second of the clock and counts the rest.
type limiter struct {
	suppressed atomic.Uint64

	mu     sync.Mutex
	second int64
	taken  int
}

func (l *limiter) take(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second := now.Unix(); second != l.second {
		l.second, l.taken = second, 0
	}
	if l.taken >= maxAlways {
		l.suppressed.Add(1)
		return false
	}
	l.taken++
	return true
}
