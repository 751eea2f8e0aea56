package controlapi

import (
	"context"
	"net/netip"
	"strings"
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

// partner is a Service to which cart speaks with the credential "partner", and cart's proxy.
func partner(t *testing.T, w *world) (*replica, *proxyside.Client, policy.Workload) {
	t.Helper()
	r, cart := w.replica(), pod("cart-1")
	r.index.SetWorkload(cart)
	r.index.SetService(policy.Service{
		Namespace: "shop", Name: "partner", ClusterIPs: []netip.Addr{netip.MustParseAddr("10.96.0.7")},
		Ports: []policy.ServicePort{{Name: "tcp", Port: 443}},
	})
	r.index.SetEndpointSlice(policy.EndpointSlice{
		Namespace: "shop", Name: "partner-1", Service: "partner", Ports: []policy.EndpointPort{{Name: "tcp", Port: 443}},
		Endpoints: []policy.Endpoint{{Address: netip.MustParseAddr("192.0.2.7"), Ready: true, Serving: true}},
	})
	r.index.SetDestinationRule(&v1alpha1.DestinationRule{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "partner"},
		Spec: v1alpha1.DestinationRuleSpec{
			Host:             "partner",
			WorkloadSelector: &v1alpha1.WorkloadSelector{MatchLabels: map[string]v1alpha1.LabelValue{"app": "cart-1"}},
			TrafficPolicy: &v1alpha1.TrafficPolicy{TLS: &v1alpha1.ClientTLSSettings{
				Mode: v1alpha1.ClientTLSMutual, CredentialName: "partner",
			}},
		},
	})
	c, _ := w.proxy(r.addr, cart, "")
	return r, c, cart
}

// TestCredentials: a proxy is given a Secret where a rule for what it dials names it and its ServiceAccount may get it; else
// the reason why not.
func TestCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.secrets[types.NamespacedName{Namespace: "shop", Name: "partner"}] = map[string][]byte{"tls.crt": []byte("cert"), "tls.key": []byte("key")}
	w.secrets[types.NamespacedName{Namespace: "shop", Name: "partner-cacert"}] = map[string][]byte{"cacert": []byte("roots")}
	w.secrets[types.NamespacedName{Namespace: "shop", Name: "other"}] = map[string][]byte{"tls.crt": []byte("secret"), "tls.key": []byte("secret")}
	r, c, _ := partner(t, w)
	get := func(name string) proxyconfig.Credential {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		got, err := c.Credential(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := get("other"); !strings.Contains(got.Problem, "no DestinationRule") || got.PrivateKey != nil {
		t.Errorf("a Secret that no rule names: %+v", got)
	}
	if _, err := c.Address(t.Context(), netip.MustParseAddrPort("10.96.0.7:443")); err != nil {
		t.Fatal(err)
	}
	if got := get("partner"); !strings.Contains(got.Problem, "ServiceAccount shop/cart may not get Secret partner") || got.PrivateKey != nil {
		t.Errorf("a Secret that the ServiceAccount may not get: %+v", got)
	}

	w.mu.Lock()
	w.readers["system:serviceaccount:shop:cart"] = true
	w.mu.Unlock()
	session := r.server.hub.all()[0]
	raise(session.credentialsAsked) // as time does
	eventually(t, "the credential", func() bool { return get("partner").Problem == "" })
	want := proxyconfig.Credential{Name: "partner", Certificate: []byte("cert"), PrivateKey: []byte("key"), CACertificates: []byte("roots")}
	if diff := cmp.Diff(want, get("partner")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := get("other"); got.PrivateKey != nil {
		t.Error("the right to get all Secrets is not a rule that names one")
	}
}

// TestCredentialKeys: both ways in which people write such Secrets are read, and what is missing is said.
func TestCredentialKeys(t *testing.T) {
	id := idOf(t, "shop", "cart")
	b := func(s string) []byte { return []byte(s) }
	tests := map[string]struct {
		data, roots map[string][]byte
		want        proxyconfig.Credential
		problem     string
	}{
		"kubernetes.io/tls": {
			data: map[string][]byte{"tls.crt": b("c"), "tls.key": b("k"), "ca.crt": b("a"), "ca.crl": b("l")},
			want: proxyconfig.Credential{Certificate: b("c"), PrivateKey: b("k"), CACertificates: b("a"), CACRL: b("l")},
		},
		"Opaque": {
			data: map[string][]byte{"cert": b("c"), "key": b("k"), "cacert": b("a"), "crl": b("l")},
			want: proxyconfig.Credential{Certificate: b("c"), PrivateKey: b("k"), CACertificates: b("a"), CACRL: b("l")},
		},
		"roots in a Secret of their own": {
			data: map[string][]byte{"cert": b("c"), "key": b("k")}, roots: map[string][]byte{"ca.crt": b("a")},
			want: proxyconfig.Credential{Certificate: b("c"), PrivateKey: b("k"), CACertificates: b("a")},
		},
		"only roots":     {roots: map[string][]byte{"cacert": b("a")}, want: proxyconfig.Credential{CACertificates: b("a")}},
		"nothing":        {problem: "does not exist"},
		"something else": {data: map[string][]byte{"password": b("p")}, problem: "holds neither"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.readers["system:serviceaccount:shop:cart"] = true
			for suffix, data := range map[string]map[string][]byte{"": tt.data, suffixCA: tt.roots} {
				if data != nil {
					w.secrets[types.NamespacedName{Namespace: "shop", Name: "s" + suffix}] = data
				}
			}
			got, err := newSecretReader(w, w).read(t.Context(), id, "s")
			if err != nil || !strings.Contains(got.Problem, tt.problem) || tt.problem == "" && got.Problem != "" {
				t.Fatalf("problem %q, error %v", got.Problem, err)
			}
			got.Problem, tt.want.Name = "", "s"
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestCredentialAskedForAgain: what is on its way when a proxy asks again does not get in the way.
func TestCredentialAskedForAgain(t *testing.T) {
	h, s := newHub(), session1(t)
	watch := &proxyconfig.Ask{WatchCredentials: []string{"partner"}}
	for range 2 {
		if err := s.take(h, watch); err != nil {
			t.Fatal(err)
		}
		s.offer(proxyconfig.Credential{Name: "partner", Problem: "x"})
	}
	if err := s.take(h, watch); err != nil {
		t.Fatal(err)
	}
	if got := s.begin().credentials; len(got) != 0 {
		t.Errorf("told %v, which may be old", got)
	}
	s.offer(proxyconfig.Credential{Name: "partner", Problem: "x"})
	if got := s.begin().credentials; len(got) != 1 {
		t.Errorf("told %d credentials, want the one asked for again", len(got))
	}
}

// TestTurns: one ServiceAccount cannot keep another from beginning.
func TestTurns(t *testing.T) {
	all, mine, yours := newTurns(), idOf(t, "shop", "mine"), idOf(t, "shop", "yours")
	var done []func()
	for range maxBeginning {
		end, err := all.take(t.Context(), mine)
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, end)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.take(ended, mine); err == nil {
		t.Error("any number of streams of one identity begin at once")
	}
	end, err := all.take(t.Context(), yours)
	if err != nil {
		t.Fatalf("another identity has to wait: %v", err)
	}
	for _, end := range append(done, end) {
		end()
	}
	if len(all.each) != 0 {
		t.Errorf("%d identities are remembered for nothing", len(all.each))
	}
}
