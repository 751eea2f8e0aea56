package authz

import (
	"fmt"
	"testing"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// crowd is an ALLOW of n rules, each for another service account, method and path; only the last one matches the frontend.
func crowd(n int) proxyconfig.Policy {
	p := allow()
	for i := range n {
		account := fmt.Sprintf("cluster.local/ns/web/sa/frontend-%d", i)
		if i == n-1 {
			account = "cluster.local/ns/web/sa/frontend"
		}
		p.Rules = append(p.Rules, policyRule{
			From: []source{{Principals: []string{account}, NotNamespaces: []string{"quarantine"}}},
			To:   []operation{{Methods: []string{"GET"}, Paths: []string{"/cart/*"}, Ports: []string{"8080"}}},
		})
	}
	return p
}

// BenchmarkDecide asks for the last of n rules, the longest way to a yes.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		e := compile(b, permissive(deny(from(source{NotPrincipals: []string{"*"}})), crowd(n)))
		r := get("/cart/7")
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !e.Decide(r).Allowed {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		in := permissive(crowd(n))
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				compile(b, in)
			}
		})
	}
}

func BenchmarkNormalizePath(b *testing.B) {
	for _, path := range []string{"/shop/cart/7?color=blue", "/shop/%63art/../x//y"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = NormalizePath(path)
			}
		})
	}
}

// Every attribute is asked once, in every way, and nothing is allocated.
func TestDecideAllocatesNothing(t *testing.T) {
	rule := policyRule{
		From: []source{{
			Principals: []string{"cluster.local/*"}, NotPrincipals: []string{"x"}, Namespaces: []string{"web"},
			ServiceAccounts: []string{"web/frontend"}, TrustDomains: []string{"*.local"}, IPBlocks: []string{"10.0.0.0/8"},
		}},
		To: []operation{{
			Hosts: []string{"*.EXAMPLE"}, NotHosts: []string{"secret.example"}, Methods: []string{"GET"}, NotMethods: []string{"delete"},
			Ports: []string{"8080"}, Paths: []string{"/{*}/7"},
		}},
		When: []condition{
			{Key: "request.headers[x-role]", Values: []string{"a*"}, NotValues: []string{"c"}},
			{Key: "connection.sni", Values: []string{"SHOP.example"}},
		},
	}
	e := compile(t, permissive(deny(to(operation{Methods: []string{"PUT"}})), audit(from(source{Namespaces: []string{"x"}})), allow(rule)))
	requests := []Request{tcp(), tcp(plaintext), get("/cart/7", host("Shop.Example"), header("X-Role", "admin,b"))}
	if d := e.Decide(requests[2]); !d.Allowed {
		t.Fatalf("decision %+v", d)
	}
	for _, r := range requests {
		if n := testing.AllocsPerRun(100, func() { e.Decide(r) }); n != 0 {
			t.Errorf("%v allocations for %+v", n, r)
		}
	}
}
