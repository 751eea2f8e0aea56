package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// buffer is a writer to read while it is written to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// running is a Recorder that runs until the bubble's test ends.
func running(t *testing.T, o Options) (r *Recorder, stop func()) {
	t.Helper()
	r = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	return r, func() {
		cancel()
		<-done
	}
}

func allowed() Entry {
	return Entry{Direction: Inbound, Protocol: "tcp", Verdict: Allowed, Rule: authz.NoRule}
}

func TestSampling(t *testing.T) {
	for _, percent := range []int{-1, 0, 1, 10, 50, 99, 100, 200} {
		r := New(Options{Log: &buffer{}})
		r.Sample(percent)
		want := min(max(percent, 0), 100)
		for range 20 {
			logged := 0
			for range 100 {
				if e := allowed(); r.log.wants(&e) {
					logged++
				}
			}
			if logged < want-2 || logged > want+2 || want%100 == 0 && logged != want {
				t.Errorf("%d percent: %d of 100", percent, logged)
			}
		}
	}
}

func TestWhatIsAlwaysLogged(t *testing.T) {
	for _, verdict := range []Verdict{Denied, Refused, Failed, Revoked} {
		r := New(Options{Log: &buffer{}})
		if e := (Entry{Verdict: verdict}); !r.log.wants(&e) {
			t.Errorf("%s is not logged", verdict)
		}
	}
	e := allowed()
	e.Reports = []authz.Report{{Action: proxyconfig.Audit}}
	if !New(Options{Log: &buffer{}}).log.wants(&e) {
		t.Error("the match of an AUDIT policy is not logged")
	}
}

func TestLimitTellsWhatItHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		r, stop := running(t, Options{Log: &out})
		for range maxAlways + 23 {
			r.Record(Entry{Verdict: Denied, Rule: authz.NoRule})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		lines := out.String()
		if got := strings.Count(lines, `"verdict":"denied"`); got != maxAlways {
			t.Errorf("%d lines, want %d", got, maxAlways)
		}
		if strings.Count(lines, `"suppressed":23,`) != 1 {
			t.Errorf("what was held back is not told: %s", lines[max(0, len(lines)-300):])
		}
		r.Record(Entry{Verdict: Denied, Reason: "NextSecond", Rule: authz.NoRule})
		synctest.Wait()
		if !strings.Contains(out.String(), "NextSecond") {
			t.Error("the limit does not end with the second")
		}
		stop()
		if got := value(t, r, `warifu_proxy_access_log_lines_lost_total{reason="limit"}`); got != "23" {
			t.Errorf("counted as lost: %s", got)
		}
	})
}

// stuck is a writer that hangs until it is released.
type stuck struct{ release chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.release
	return len(p), nil
}

// TestLogThatIsNotReadHoldsNobodyUp: Record returns though the writer hangs and the queue is full, and memory is bounded.
func TestLogThatIsNotReadHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writer := stuck{make(chan struct{})}
		r, stop := running(t, Options{Log: writer})
		r.Sample(100)
		e := allowed()
		e.Detail = strings.Repeat("x", maxText)
		r.Record(e)
		synctest.Wait() // the writer hangs in it
		const count = 1000
		for range count {
			r.Record(e)
		}
		if size := len(r.log.queue); size > maxQueue {
			t.Errorf("%d bytes wait", size)
		}
		if got := value(t, r, `warifu_proxy_access_log_lines_lost_total{reason="full"}`); got == "0" || got == fmt.Sprint(count) {
			t.Errorf("lost %s of %d", got, count)
		}
		close(writer.release)
		stop()
		if len(r.log.queue) != 0 {
			t.Error("the end leaves lines behind")
		}
	})
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestLinesThatCannotBeWrittenAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := running(t, Options{Log: broken{}})
		r.Record(Entry{Verdict: Denied})
		r.Record(Entry{Verdict: Denied})
		stop()
		if got := value(t, r, `warifu_proxy_access_log_lines_lost_total{reason="write"}`); got != "2" {
			t.Errorf("lost %s", got)
		}
	})
}

func TestEndWritesWhatIsLeft(t *testing.T) {
	var out buffer
	r := New(Options{Log: &out})
	r.Record(Entry{Verdict: Denied, Reason: "Late"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Run(ctx)
	if !strings.Contains(out.String(), "Late") {
		t.Error("the last line is lost")
	}
}
