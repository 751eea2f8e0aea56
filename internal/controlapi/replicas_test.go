package controlapi

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// refusesBehind waits until a replica has refused a proxy because it is behind: the proxy has come, and is not served.
func (r *replica) refusesBehind(t *testing.T) {
	t.Helper()
	eventually(t, "a proxy", func() bool {
		r.server.reviewer.mu.Lock()
		defer r.server.reviewer.mu.Unlock()
		return len(r.server.reviewer.known) > 0
	})
	before := value(t, refused.WithLabelValues(refusedBehind))
	eventually(t, "a refusal", func() bool { return value(t, refused.WithLabelValues(refusedBehind)) > before })
	if len(r.server.hub.all()) != 0 {
		t.Error("a replica that is behind serves")
	}
}

// TestLaggingReplicaUndoesNothing: a proxy that was told of a DENY and comes to a replica that has not seen it is refused
// there, keeps the DENY, and is served once the replica has caught up.
func TestLaggingReplicaUndoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cart := pod("cart-1")
	first := w.replica()
	first.index.SetWorkload(cart)
	service := newDoor(t, first)
	c, _ := w.proxy(service.addr, cart, "")
	first.see(v1alpha1.KindAuthorizationPolicy, 9, first.index.SetAuthorizationPolicy(denyAll()))
	configured(t, c, denies)
	frozen := w.replica()
	frozen.index.SetWorkload(cart)
	service.lead(frozen)
	first.stop()
	frozen.refusesBehind(t)
	if config, _ := c.Config(); !denies(config) {
		t.Fatal("a replica with frozen caches has taken the DENY away")
	}
	frozen.see(v1alpha1.KindAuthorizationPolicy, 12, frozen.index.SetAuthorizationPolicy(denyAll()))
	eventually(t, "a stream to the replica that has caught up", c.Connected)
	eventually(t, "what was known is in force there too", func() bool {
		return frozen.server.Acknowledgements().Proxies["shop/cart-1/uid-cart-1"].InForce[v1alpha1.KindAuthorizationPolicy] == 12
	})
}

// TestRestartedProxyServesWithTheLastConfiguration: a new process has what was in force and what was known of addresses, while
// no replica is there; and what it has seen, so that a replica that lags does not serve it either.
func TestRestartedProxyServesWithTheLastConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := t.TempDir()
	cart, outside := pod("cart-1"), netip.MustParseAddrPort("192.0.2.1:443")
	r := w.replica()
	r.index.SetWorkload(cart)
	r.see(v1alpha1.KindAuthorizationPolicy, 9, r.index.SetAuthorizationPolicy(denyAll()))
	service := newDoor(t, r)
	former, stop := w.proxy(service.addr, cart, dir)
	configured(t, former, denies)
	if _, err := former.Address(t.Context(), outside); err != nil {
		t.Fatal(err)
	}
	stop()
	r.stop()

	frozen := w.replica()
	frozen.index.SetWorkload(cart)
	service.lead(frozen)
	c, _ := w.proxy(service.addr, cart, dir)
	if config, _ := c.Config(); config == nil || !denies(config) {
		t.Fatalf("a new process begins with %+v", config)
	}
	answer, err := c.Address(t.Context(), outside)
	if err != nil || answer.Fresh || answer.Known || answer.Address.Address != outside {
		t.Errorf("a known address: %+v, %v", answer, err)
	}
	frozen.refusesBehind(t)
}

// TestReconnect: addresses that were asked about are asked about again, and become fresh again; unknown ones are given up soon
// while nobody is there.
func TestReconnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cart, outside := pod("cart-1"), netip.MustParseAddrPort("192.0.2.1:443")
	r := w.replica()
	r.index.SetWorkload(cart)
	service := newDoor(t, r)
	c, _ := w.proxy(service.addr, cart, "")
	if _, err := c.Address(t.Context(), outside); err != nil {
		t.Fatal(err)
	}
	r.stop()
	eventually(t, "the end of the stream", func() bool { return !c.Connected() })
	if answer, err := c.Address(t.Context(), outside); err != nil || answer.Fresh {
		t.Errorf("while nobody is there: %+v, %v", answer, err)
	}
	began := time.Now()
	if _, err := c.Address(t.Context(), netip.MustParseAddrPort("10.0.0.99:80")); err == nil {
		t.Error("an address that nobody was told about has an answer")
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("it took %s to give up", took)
	}

	again := w.replica()
	again.index.SetWorkload(cart)
	service.lead(again)
	eventually(t, "a fresh answer", func() bool {
		answer, err := c.Address(t.Context(), outside)
		return err == nil && answer.Fresh
	})
}

// TestCensus: the leader knows what the proxies of both replicas have in force, asks itself no questions, and counts nobody
// in whose replica does not answer.
func TestCensus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := pod("cart-1"), pod("cart-22")
	leader, other := w.replica(), w.replica()
	for _, r := range []*replica{leader, other} {
		r.index.SetWorkload(one)
		r.index.SetWorkload(two)
		r.see(v1alpha1.KindAuthorizationPolicy, 9, r.index.SetAuthorizationPolicy(denyAll()))
	}
	a, _ := w.proxy(leader.addr, one, "")
	b, _ := w.proxy(other.addr, two, "")
	configured(t, a, denies)
	configured(t, b, denies)

	own := idOf(t, rootNS, naming.ServiceAccountOperator)
	census := NewCensus(CensusOptions{
		Local: leader.server, Identity: own, Source: w.source(own), Log: logr.Discard(),
		Replicas: func(context.Context) ([]string, error) { return []string{leader.addr, other.addr, "127.0.0.1:1"}, nil },
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- census.Start(ctx) }()
	t.Cleanup(func() { stop(); _ = <-ended })

	inForce := func(p policy.Workload) uint64 {
		asOf, _ := census.Acknowledged(nameOf(p), p.UID)
		return asOf[v1alpha1.KindAuthorizationPolicy]
	}
	eventually(t, "both in force", func() bool { return inForce(one) == 9 && inForce(two) == 9 })
	if asOf, _ := census.Acknowledged(nameOf(one), "another uid"); asOf != nil {
		t.Error("another pod of the same name has something in force")
	}
	other.stop()
	eventually(t, "the other replica's proxies do not count", func() bool { return inForce(one) == 9 && inForce(two) == 0 })
}

// TestMergeTakesTheLesser: a proxy that two replicas know is only as far as both say.
func TestMergeTakesTheLesser(t *testing.T) {
	of := func(version uint64, rejected string) map[string]ack {
		return map[string]ack{"shop/cart/1": {InForce: proxyconfig.AsOf{"Pod": version}, Rejected: rejected}}
	}
	got := merge(acks{Proxies: of(7, "")}, acks{Proxies: of(5, "why")}, acks{Proxies: of(9, "")})["shop/cart/1"]
	if got.InForce["Pod"] != 5 || got.Rejected != "why" {
		t.Errorf("got %+v", got)
	}
	if got := merge(acks{Proxies: of(7, "")}, acks{Proxies: map[string]ack{"shop/cart/1": {}}})["shop/cart/1"]; len(got.InForce) != 0 {
		t.Errorf("a proxy that has nothing in force at one replica has %+v", got)
	}
}
