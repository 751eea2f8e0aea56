package controlapi

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// value of a metric.
func value(t testing.TB, m prometheus.Metric) float64 {
	t.Helper()
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetCounter().GetValue() + out.GetGauge().GetValue()
}

func session1(t testing.TB) *session {
	t.Helper()
	_, end := context.WithCancelCause(t.Context())
	return newSession(bearer{types.NamespacedName{Namespace: "shop", Name: "cart-1"}, "uid"}, identity.ID{}, end)
}

func addresses(from, n int) []netip.AddrPort {
	out := make([]netip.AddrPort, n)
	for i := range out {
		out[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte((from + i) >> 8), byte(from + i)}), 80)
	}
	return out
}

// TestScan: what a proxy watches anew on a new stream is let through at once; a scan waits, and does not fail. More addresses
// than any proxy watches end the stream.
func TestScan(t *testing.T) {
	h, s := newHub(), session1(t)
	if err := s.take(h, &proxyconfig.Ask{Watch: addresses(0, 2000)}); err != nil {
		t.Fatal(err)
	}
	first := s.begin()
	if got := len(first.addresses); got < 1024 || got > watchBurst+10 || !first.more {
		t.Errorf("%d addresses at once, more %v", got, first.more)
	}
	again := s.begin()
	if got := len(again.addresses); got > 20 || !again.more {
		t.Errorf("%d addresses right after", got)
	}
	if err := s.take(h, &proxyconfig.Ask{Watch: addresses(2000, 2000)}); err != nil {
		t.Fatal(err)
	}
	if err := s.take(h, &proxyconfig.Ask{Watch: addresses(4000, 200)}); err == nil {
		t.Errorf("%d addresses are watched", len(s.watched)+len(s.fresh))
	}
}

// TestForgottenAddressesCostNothing: what a proxy forgets makes room, and the hub keeps nothing of it.
func TestForgottenAddressesCostNothing(t *testing.T) {
	h, s := newHub(), session1(t)
	for i := range 20 {
		some := addresses(i*400, 400)
		if err := s.take(h, &proxyconfig.Ask{Watch: some}); err != nil {
			t.Fatal(err)
		}
		s.begin()
		if err := s.take(h, &proxyconfig.Ask{Forget: some}); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.watched)+len(s.fresh)+len(s.stale) != 0 {
		t.Errorf("%d watched, %d waiting, %d stale", len(s.watched), len(s.fresh), len(s.stale))
	}
	names := make([]string, maxCredentials+1)
	for i := range names {
		names[i] = fmt.Sprint("secret-", i)
	}
	if err := s.take(h, &proxyconfig.Ask{WatchCredentials: names}); err == nil {
		t.Error("any number of credentials can be watched")
	}
}

// TestNewestStreamOfAPod: a pod has one stream; the one that it opened last.
func TestNewestStreamOfAPod(t *testing.T) {
	h := newHub()
	ctx, end := context.WithCancelCause(t.Context())
	older := newSession(bearer{types.NamespacedName{Namespace: "shop", Name: "cart-1"}, "uid"}, identity.ID{}, end)
	newer := session1(t)
	h.add(older)
	h.add(newer)
	if !errors.Is(context.Cause(ctx), errReplaced) {
		t.Errorf("the older stream ended with %v", context.Cause(ctx))
	}
	h.remove(older)
	if all := h.all(); len(all) != 1 || all[0] != newer {
		t.Error("the end of the older stream took the newer one away")
	}
}

// TestUntilReview: a token is reviewed again when it expires, and soon in any case.
func TestUntilReview(t *testing.T) {
	for range 100 {
		if got := untilReview("opaque"); got < reviewEvery/2 || got > reviewEvery {
			t.Fatalf("%s without a known expiry", got)
		}
	}
	if got := untilReview("e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"); got != time.Second {
		t.Errorf("%s with a token that has expired", got)
	}
}
