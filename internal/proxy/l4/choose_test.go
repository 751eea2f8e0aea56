package l4

import (
	"net/netip"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/proxyconfig"
)

func endpoint(n byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 8080)
}

// TestCandidates: every endpoint comes first sometimes, and always each of them is there.
func TestCandidates(t *testing.T) {
	w := New(Options{})
	a := answer(disable(), endpoint(1), endpoint(2), endpoint(3), netip.MustParseAddrPort("[2001:db8::1]:8080"))
	first := map[netip.AddrPort]int{}
	for range 300 {
		candidates := w.candidates(&a, service)
		if len(candidates) != 3 {
			t.Fatalf("candidates %v", candidates)
		}
		first[candidates[0].Address]++
	}
	if len(first) != 3 {
		t.Errorf("first in %v", first)
	}
}

// TestAffinity: a workload stays with an endpoint for the time since it used it last, while the Service has it.
func TestAffinity(t *testing.T) {
	now := time.Now()
	a := answer(disable(), endpoint(1), endpoint(2))
	var table affinity
	table.remember(&a, service, endpoint(1), now)
	if _, ok := table.recall(&a, service, now); ok {
		t.Error("a Service without affinity has one")
	}
	a.AffinitySeconds = 10
	table.remember(&a, service, endpoint(1), now)
	if got, ok := table.recall(&a, service, now.Add(10*time.Second)); !ok || got != endpoint(1) {
		t.Errorf("within the time: %v, %t", got, ok)
	}
	if _, ok := table.recall(&a, service, now.Add(11*time.Second)); ok {
		t.Error("after the time it stays")
	}

	w := New(Options{})
	w.affinity.remember(&a, service, endpoint(2), now)
	for range 50 {
		if got := w.candidates(&a, service)[0].Address; got != endpoint(2) {
			t.Fatalf("first is %s", got)
		}
	}
	a.Endpoints = []proxyconfig.Endpoint{{Address: endpoint(1)}}
	if got := w.candidates(&a, service); len(got) != 1 || got[0].Address != endpoint(1) {
		t.Errorf("without the endpoint: %v", got)
	}
}

// TestAffinityBound: the table forgets what was used longest ago.
func TestAffinityBound(t *testing.T) {
	now := time.Now()
	a := answer(disable())
	a.AffinitySeconds = 1000
	var table affinity
	address := func(n int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}), 80)
	}
	for n := range mostAffinities + 1 {
		table.remember(&a, address(n), endpoint(1), now.Add(time.Duration(n)*time.Millisecond))
	}
	if len(table.used) != mostAffinities {
		t.Errorf("%d are remembered", len(table.used))
	}
	if _, ok := table.recall(&a, address(0), now); ok {
		t.Error("the oldest is remembered")
	}
	if _, ok := table.recall(&a, address(mostAffinities), now.Add(5*time.Second)); !ok {
		t.Error("the newest is forgotten")
	}
}
