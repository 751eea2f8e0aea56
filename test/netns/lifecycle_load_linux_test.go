package netns

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// load is traffic from one pod to another that goes on while a test does something.
type load struct {
	stopping chan struct{}
	running  sync.WaitGroup

	mu       sync.Mutex
	done     map[string]int
	failures []string
}

// loadPause is left between two exchanges of one kind, so that there is time for what the test is about.
const loadPause = 4 * time.Millisecond

// keptOpen is how many connections a load holds open.
const keptOpen = 8

// newLoad starts every kind of exchange: with a connection each, and over connections that stay open.
func newLoad(t *testing.T, from *kubelet.Pod, to netip.Addr) *load {
	t.Helper()
	l := newBriefLoad(t, from, to)
	l.keptHTTP(t, from, to)
	l.keptEcho(t, from, to)
	return l
}

// newBriefLoad starts those with a connection each.
func newBriefLoad(t *testing.T, from *kubelet.Pod, to netip.Addr) *load {
	t.Helper()
	l := &load{stopping: make(chan struct{}), done: map[string]int{}}
	client := httpClient(from, false)
	l.run("HTTP/1.1", func() error { return loadHTTP(t, client, to) })
	l.run("echo", func() error {
		conn, err := dialExchange(t.Context(), from, netip.AddrPortFrom(to, appEcho).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		return echo(conn, "once")
	})
	t.Cleanup(l.end)
	return l
}

// keptHTTP sends requests over one connection of each version.
func (l *load) keptHTTP(t *testing.T, from *kubelet.Pod, to netip.Addr) {
	t.Helper()
	one := &http.Client{Transport: &http.Transport{DialContext: from.Net.DialContext}, Timeout: exchangeTimeout}
	for kind, client := range map[string]*http.Client{"HTTP/1.1, kept": one, "HTTP/2": httpClient(from, true)} {
		l.run(kind, func() error { return loadHTTP(t, client, to) })
		t.Cleanup(client.CloseIdleConnections)
	}
}

// keptEcho echoes over connections each of which stays open.
func (l *load) keptEcho(t *testing.T, from *kubelet.Pod, to netip.Addr) {
	t.Helper()
	open := make([]net.Conn, keptOpen)
	for i := range open {
		conn, err := dial(t, from, to, appEcho)
		if err != nil {
			t.Fatal(err)
		}
		open[i] = conn
	}
	turn := 0
	l.run("echo, kept", func() error {
		turn++
		return echo(open[turn%len(open)], "again and again")
	})
}

func loadHTTP(t *testing.T, client *http.Client, to netip.Addr) error {
	got := askWith(t, client, to, "/load", nil)
	if got.err == nil && (got.status != http.StatusOK || len(got.seen.XFCC) != 1) {
		return fmt.Errorf("status %d, from %q: %s", got.status, got.seen.XFCC, got.body)
	}
	return got.err
}

// run exchanges until the load ends.
func (l *load) run(kind string, exchange func() error) {
	l.running.Go(func() {
		for {
			begin := time.Now()
			err := exchange()
			l.mu.Lock()
			l.done[kind]++
			if err != nil {
				l.failures = append(l.failures, fmt.Sprintf("%s at %s, after %s: %v", kind, begin.Format("15:04:05.000"), time.Since(begin), err))
			}
			l.mu.Unlock()
			select {
			case <-l.stopping:
				return
			case <-time.After(loadPause):
			}
		}
	})
}

// end waits until what is under way has ended.
func (l *load) end() {
	select {
	case <-l.stopping:
	default:
		close(l.stopping)
	}
	l.running.Wait()
}

// wantNoFailure ends the load, of which nothing may have failed.
func (l *load) wantNoFailure(t *testing.T) {
	t.Helper()
	l.end()
	l.mu.Lock()
	defer l.mu.Unlock()
	const shown = 20
	if len(l.failures) > 0 {
		t.Errorf("%d exchanges failed:\n%s", len(l.failures), strings.Join(l.failures[:min(shown, len(l.failures))], "\n"))
	}
	var told []string
	for _, kind := range slices.Sorted(maps.Keys(l.done)) {
		told = append(told, fmt.Sprintf("%d %s", l.done[kind], kind))
		const few = 10
		if l.done[kind] < few {
			t.Errorf("only %d exchanges of %s were tried", l.done[kind], kind)
		}
	}
	t.Logf("exchanged meanwhile: %s", strings.Join(told, "; "))
}
