package authz

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// The cast of the tests: a frontend of namespace web that asks for port 8080 of some workload.
const frontend = "spiffe://cluster.local/ns/web/sa/frontend"

type (
	source     = proxyconfig.Source
	operation  = proxyconfig.Operation
	condition  = proxyconfig.Condition
	policyRule = proxyconfig.Rule
)

// from, to and when are rules of one element.
func from(s source) policyRule    { return policyRule{From: []source{s}} }
func to(o operation) policyRule   { return policyRule{To: []operation{o}} }
func when(c condition) policyRule { return policyRule{When: []condition{c}} }

func named(name string, action proxyconfig.Action, rules ...policyRule) proxyconfig.Policy {
	object := proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "shop", Name: name}
	return proxyconfig.Policy{Object: object, Action: action, Rules: rules}
}

func allow(rules ...policyRule) proxyconfig.Policy {
	return named("allow", proxyconfig.Allow, rules...)
}
func deny(rules ...policyRule) proxyconfig.Policy { return named("deny", proxyconfig.Deny, rules...) }
func audit(rules ...policyRule) proxyconfig.Policy {
	return named("audit", proxyconfig.Audit, rules...)
}

func dryRun(p proxyconfig.Policy) proxyconfig.Policy {
	p.DryRun = true
	p.Object.Name = "dry-" + p.Object.Name
	return p
}

func broken(p proxyconfig.Policy) proxyconfig.Policy {
	p.Broken = "spec.rules[0]: unknown field"
	p.Object.Name = "broken-" + p.Object.Name
	return p
}

func permissive(policies ...proxyconfig.Policy) proxyconfig.Inbound {
	return proxyconfig.Inbound{Default: proxyconfig.PortMode{Mode: proxyconfig.Permissive}, Policies: policies}
}

func compile(t testing.TB, in proxyconfig.Inbound) *Engine {
	t.Helper()
	e, err := Compile(in)
	if err != nil {
		t.Fatalf("Compile: %v", err)
	}
	return e
}

// tcp is a connection of the frontend; options change it.
func tcp(options ...func(*Request)) Request {
	r := Request{
		Peer:        Peer{MTLS: true, Identity: frontend, Address: netip.MustParseAddr("10.0.0.7")},
		Destination: netip.MustParseAddrPort("10.1.0.9:8080"),
		SNI:         "shop.example",
	}
	for _, o := range options {
		o(&r)
	}
	return r
}

// get is a GET of the frontend.
func get(path string, options ...func(*Request)) Request {
	r := tcp()
	r.HTTP = &HTTP{Method: "GET", Host: "shop.example", Path: path, Header: http.Header{}}
	for _, o := range options {
		o(&r)
	}
	return r
}

func plaintext(r *Request)           { r.Peer.MTLS, r.Peer.Identity, r.SNI = false, "", "" }
func as(id string) func(*Request)    { return func(r *Request) { r.Peer.Identity = id } }
func method(m string) func(*Request) { return func(r *Request) { r.HTTP.Method = m } }
func host(h string) func(*Request)   { return func(r *Request) { r.HTTP.Host = h } }
func sni(s string) func(*Request)    { return func(r *Request) { r.SNI = s } }
func peerIP(s string) func(*Request) {
	return func(r *Request) { r.Peer.Address = netip.MustParseAddr(s) }
}
func onPort(port uint16) func(*Request) {
	return func(r *Request) { r.Destination = netip.AddrPortFrom(r.Destination.Addr(), port) }
}
func header(name string, values ...string) func(*Request) {
	return func(r *Request) { r.HTTP.Header[name] = values }
}

// matches asks whether a rule matches, of a DENY policy when wide and of an ALLOW policy otherwise.
func matches(t *testing.T, action proxyconfig.Action, rule policyRule, r Request) bool {
	t.Helper()
	d := compile(t, permissive(named("p", action, rule))).Decide(r)
	return d.Allowed == (action == proxyconfig.Allow)
}
