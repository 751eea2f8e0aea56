package netns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// idleConnections are how many are open at a time; fewer where the test looks for races, whose bookkeeping would take minutes.
func idleConnections() int {
	const many = 5000
	if len(raceFlags) > 0 {
		return many / 10
	}
	return many
}

// dialsAtOnce is how many of them begin at a time.
const dialsAtOnce = 16

// idle: thousands of connections with mutual TLS that nobody uses cost little, and all are still good.
func (s *shop) idle(t *testing.T) {
	many := idleConnections()
	kept, err := s.carried(t)
	if err != nil {
		t.Fatal(err)
	}
	before := s.watchMemory(t)
	begin := time.Now()
	conns := make([]net.Conn, many)
	s.each(t, many, func(ctx context.Context, i int) (err error) {
		if conns[i], err = s.orders.Net.DialContext(ctx, "tcp", netip.AddrPortFrom(s.address, appEcho).String()); err != nil {
			return err
		}
		return echo(conns[i], "hello")
	})
	t.Cleanup(func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	})
	t.Logf("%d connections in %s", many, time.Since(begin).Round(time.Millisecond))
	// Either proxy has each of them open.
	if now, err := s.carried(t); err != nil || now < kept+2*many {
		t.Errorf("the proxies have %d connections open, %v", now, err)
	}
	before.perConnection(t, many)
	s.each(t, many, func(_ context.Context, i int) error { return echo(conns[i], "still there") })
}

// each does something for every number below n, some at a time.
func (s *shop) each(t *testing.T, n int, do func(ctx context.Context, i int) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	next := make(chan int)
	problems := make([]error, dialsAtOnce)
	var running sync.WaitGroup
	for worker := range problems {
		running.Go(func() {
			for i := range next {
				if problems[worker] == nil {
					problems[worker] = do(ctx, i)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
}
