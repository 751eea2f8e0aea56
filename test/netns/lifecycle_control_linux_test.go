package netns

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// withoutOperator: while no replica of the operator runs, everything stays as it was, proxies that start again included. The
// next replica ends with the whole test.
func (s *shop) withoutOperator(t, whole *testing.T) {
	vault := s.vault(t)
	traffic := newLoad(t, s.orders, s.address)
	s.stopOperator()
	s.nobodyToAsk(t)
	vault.Proxy().Kill()
	vault.StartProxy(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := vault.AwaitStarted(ctx); err != nil {
		t.Fatal(err)
	}
	s.vaultIsGuarded(t, vault)
	s.operate(whole)
	s.vaultIsGuarded(t, vault)
	traffic.wantNoFailure(t)
	s.apply(t, s.policy("AuthorizationPolicy", "vault", "{selector: {matchLabels: {app: vault}}, action: DENY, rules: [{}]}"))
	ask(t, s.orders, vault.Net.IPv4, "/", nil).want(t, http.StatusForbidden)
}

// vault runs a server that a policy keeps guests from. Its clients know its address.
func (s *shop) vault(t *testing.T) *kubelet.Pod {
	t.Helper()
	vault, _ := s.world.server(t, s.namespace, "vault", true)
	s.apply(t, s.policy("AuthorizationPolicy", "vault", fmt.Sprintf(
		`{selector: {matchLabels: {app: vault}}, action: DENY, rules: [{from: [{source: {principals: ["cluster.local/ns/%s/sa/guest"]}}]}]}`, s.namespace)))
	eventually(t, "the vault is known", func() error { return ask(t, s.orders, vault.Net.IPv4, "/", nil).err })
	s.vaultIsGuarded(t, vault)
	return vault
}

func (s *shop) vaultIsGuarded(t *testing.T, vault *kubelet.Pod) {
	t.Helper()
	ask(t, s.orders, vault.Net.IPv4, "/", nil).want(t, http.StatusOK)
	ask(t, s.guest, vault.Net.IPv4, "/", nil).want(t, http.StatusForbidden)
}

// partitioned: a client that nobody answers goes on as it was told last, and follows when it is connected again.
func (s *shop) partitioned(t *testing.T) {
	s.settle(t)
	connected(t, s.orders)
	traffic := newLoad(t, s.orders, s.address)
	s.orders.Net.Disconnect(t)
	t.Cleanup(func() { s.orders.Net.Connect(t) })
	s.nobodyToAsk(t)
	rule := s.policy("DestinationRule", "payments", "{host: payments, trafficPolicy: {tls: {mode: DISABLE}}}")
	objects, err := chart.Decode(rule)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(objects[0]), client.FieldOwner("test")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.remove(t, objects[0]) })
	traffic.wantNoFailure(t)
	s.orders.Net.Connect(t)
	eventually(t, "the client follows what was said meanwhile", func() error {
		got := ask(t, s.orders, s.address, "/", nil)
		if got.err == nil && len(got.seen.XFCC) > 0 {
			return fmt.Errorf("the server is told %q", got.seen.XFCC)
		}
		return got.err
	})
}

// nobodyToAsk: an address of which a client has not heard is refused where it could be one of the cluster's, and passed
// through elsewhere.
func (s *shop) nobodyToAsk(t *testing.T) {
	t.Helper()
	inside := s.host(t, "inside")
	conn, err := dial(t, s.orders, inside.address, appEcho)
	if err == nil {
		err = echo(conn, "plaintext")
	}
	if err == nil || inside.accepted.Load() > 0 {
		t.Errorf("an address of the cluster that nobody knows is reached: %v, %d connections", err, inside.accepted.Load())
	}
	outside := s.host(t, "outside", netip.MustParseAddr("198.51.100.7"))
	if conn, err = dial(t, s.orders, outside.address, appEcho); err == nil {
		err = echo(conn, "hello")
	}
	if err != nil {
		t.Errorf("a host outside the cluster is not reached: %v", err)
	}
}

// host is a machine that is no pod of the cluster, and echoes.
type host struct {
	address  netip.Addr
	accepted atomic.Int64
}

// host runs one, with an address of its own outside the cluster or one that pods could have.
func (s *shop) host(t *testing.T, name string, outside ...netip.Addr) *host {
	t.Helper()
	machine := s.network.Pod(t, name, outside...)
	h := &host{address: append(outside, machine.IPv4)[0]}
	l, err := machine.Listen(t.Context(), "tcp", fmt.Sprintf(":%d", appEcho))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed at the test's end
			}
			h.accepted.Add(1)
			go func(conn net.Conn) {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}(conn)
		}
	}()
	return h
}
