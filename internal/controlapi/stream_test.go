package controlapi

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	proxyside "github.com/warifu/warifu/internal/controlapi/client"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// denyAll is an AuthorizationPolicy that denies what the namespace shop receives.
func denyAll() *v1alpha1.AuthorizationPolicy {
	return &v1alpha1.AuthorizationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "deny"},
		Spec:       v1alpha1.AuthorizationPolicySpec{Action: v1alpha1.ActionDeny, Rules: []v1alpha1.Rule{{}}},
	}
}

func denies(c *proxyconfig.Config) bool { return len(c.Inbound.Policies) == 1 }

// TestConfigurationFollowsPolicy: a proxy is told its configuration, every change that concerns it and nothing else, and
// counts as enforcing a policy once it has said so.
func TestConfigurationFollowsPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	cart := pod("cart-1")
	r.index.SetWorkload(cart)
	c, _ := w.proxy(r.addr, cart, "")

	first := configured(t, c, anyConfig)
	if first.Identity != "spiffe://cluster.local/ns/shop/sa/cart" {
		t.Errorf("the configuration is of %s", first.Identity)
	}
	inForce := func(kind string) uint64 {
		return r.server.Acknowledgements().Proxies["shop/cart-1/uid-cart-1"].InForce[kind]
	}
	eventually(t, "the first configuration in force", func() bool { return inForce("Pod") == 1 })

	other := denyAll()
	other.Namespace = "elsewhere"
	r.see(v1alpha1.KindAuthorizationPolicy, 7, r.index.SetAuthorizationPolicy(other))
	eventually(t, "what does not concern the pod is in force at once", func() bool { return inForce(v1alpha1.KindAuthorizationPolicy) == 7 })
	if config, _ := c.Config(); config != first {
		t.Error("a policy of another namespace led to another configuration")
	}

	r.see(v1alpha1.KindAuthorizationPolicy, 9, r.index.SetAuthorizationPolicy(denyAll()))
	eventually(t, "the policy is told", func() bool { config, _ := c.Config(); return denies(config) })
	if got := inForce(v1alpha1.KindAuthorizationPolicy); got != 7 {
		t.Errorf("in force as of %d before the proxy has said so", got)
	}
	configured(t, c, denies)
	eventually(t, "the policy is in force", func() bool { return inForce(v1alpha1.KindAuthorizationPolicy) == 9 })
}

// TestRejectedConfiguration: a proxy that could not put a configuration in force is told apart, with its reason, until it has
// put a later one in force.
func TestRejectedConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	cart := pod("cart-1")
	r.index.SetWorkload(cart)
	c, _ := w.proxy(r.addr, cart, "")
	configured(t, c, anyConfig)

	r.see(v1alpha1.KindAuthorizationPolicy, 9, r.index.SetAuthorizationPolicy(denyAll()))
	eventually(t, "the policy is told", func() bool { config, _ := c.Config(); return denies(config) })
	config, _ := c.Config()
	c.Reject(config, errors.New("no such port"))
	ack := func() (uint64, string) {
		a := r.server.Acknowledgements().Proxies["shop/cart-1/uid-cart-1"]
		return a.InForce[v1alpha1.KindAuthorizationPolicy], a.Rejected
	}
	eventually(t, "the rejection", func() bool { _, rejected := ack(); return rejected == "no such port" })
	if version, _ := ack(); version != 0 {
		t.Errorf("a rejected policy is in force as of %d", version)
	}
	r.see(v1alpha1.KindAuthorizationPolicy, 11, r.index.Delete(v1alpha1.KindAuthorizationPolicy, types.NamespacedName{Namespace: "shop", Name: "deny"}))
	configured(t, c, func(c *proxyconfig.Config) bool { return !denies(c) })
	eventually(t, "the next one in force", func() bool { version, rejected := ack(); return version == 11 && rejected == "" })
}

// TestAddresses: an address is answered with what it leads to, negative answers included, and answers follow changes.
func TestAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.replica()
	cart, stock := pod("cart-1"), pod("stock")
	r.index.SetWorkload(cart)
	r.index.SetWorkload(stock)
	r.index.SetService(policy.Service{
		Namespace: "shop", Name: "stock", ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.1")},
		Ports: []policy.ServicePort{{Name: "tcp", Port: 80}},
	})
	c, _ := w.proxy(r.addr, cart, "")

	ask := func(address string) proxyside.Answer {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		answer, err := c.Address(ctx, netip.MustParseAddrPort(address))
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got := ask("192.0.2.1:443"); got.Known || !got.Fresh {
		t.Errorf("an address outside of the cluster: %+v", got)
	}
	if got := ask("10.96.0.1:80"); !got.Known || got.Service != "shop/stock" || len(got.Endpoints) != 0 {
		t.Errorf("a Service without endpoints: %+v", got)
	}
	replaced := c.Replaced()
	r.see(policy.KindEndpointSlice, 5, r.index.SetEndpointSlice(policy.EndpointSlice{
		Namespace: "shop", Name: "stock-1", Service: "stock", Ports: []policy.EndpointPort{{Name: "tcp", Port: 8080}},
		Endpoints: []policy.Endpoint{{Address: stock.IPs[0], Pod: types.NamespacedName{Namespace: "shop", Name: "stock"}, Ready: true, Serving: true}},
	}))
	<-replaced
	got := ask("10.96.0.1:80")
	want := []proxyconfig.ClientTLS{{
		Mode: proxyconfig.ClientIstioMutual, Auto: true, SNI: "stock.shop.svc.cluster.local",
		Identities: []string{"spiffe://cluster.local/ns/shop/sa/cart"},
	}}
	if diff := cmp.Diff(want, got.TLS); diff != "" || len(got.Endpoints) != 1 {
		t.Errorf("%d endpoints, TLS -want +got:\n%s", len(got.Endpoints), diff)
	}
}

// TestEndOfPod: the stream of a pod ends when the pod is deleted, finishes, or another takes its name.
func TestEndOfPod(t *testing.T) {
	t.Parallel()
	cart := pod("cart-1")
	successor, finished := cart, cart
	successor.UID = "uid-successor"
	finished.Finished = true
	for name, end := range map[string]func(*policy.Index) policy.Change{
		"deleted": func(ix *policy.Index) policy.Change {
			return ix.Delete(policy.KindPod, types.NamespacedName{Namespace: "shop", Name: "cart-1"})
		},
		"finished": func(ix *policy.Index) policy.Change { return ix.SetWorkload(finished) },
		"replaced": func(ix *policy.Index) policy.Change {
			gone := ix.Delete(policy.KindPod, types.NamespacedName{Namespace: "shop", Name: "cart-1"})
			ix.SetWorkload(successor)
			return gone
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.replica()
			r.index.SetWorkload(cart)
			c, _ := w.proxy(r.addr, cart, "")
			configured(t, c, anyConfig)
			r.see(policy.KindPod, 5, end(r.index))
			eventually(t, "the end of the stream", func() bool { return len(r.server.hub.all()) == 0 && !c.Connected() })
			r.server.hub.mu.Lock()
			defer r.server.hub.mu.Unlock()
			if n := len(r.server.hub.addresses) + len(r.server.hub.services); n > 0 {
				t.Errorf("%d links are left behind", n)
			}
		})
	}
}
