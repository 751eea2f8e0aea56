package authz

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestRuleStructure: one of from, one of to, all of when; the fields of a source are ANDed, the values of a field ORed.
func TestRuleStructure(t *testing.T) {
	web, other := source{Namespaces: []string{"web"}}, source{Namespaces: []string{"other"}}
	here, there := operation{Ports: []string{"8080"}}, operation{Ports: []string{"9090"}}
	yes := condition{Key: "source.ip", Values: []string{"10.0.0.7"}}
	no := condition{Key: "source.ip", Values: []string{"10.0.0.8"}}
	tests := []struct {
		name string
		rule policyRule
		want bool
	}{
		{"all three", policyRule{From: []source{web}, To: []operation{here}, When: []condition{yes}}, true},
		{"from fails", policyRule{From: []source{other}, To: []operation{here}, When: []condition{yes}}, false},
		{"to fails", policyRule{From: []source{web}, To: []operation{there}, When: []condition{yes}}, false},
		{"when fails", policyRule{From: []source{web}, To: []operation{here}, When: []condition{no}}, false},
		{"one of from, one of to", policyRule{From: []source{other, web}, To: []operation{there, here}}, true},
		{"all of when", policyRule{When: []condition{yes, no}}, false},
		{"fields are ANDed", from(source{Namespaces: []string{"web"}, IPBlocks: []string{"10.9.0.0/16"}}), false},
		{"values are ORed", from(source{Namespaces: []string{"other", "web"}}), true},
		{"not is the negation of OR", from(source{NotNamespaces: []string{"other", "web"}}), false},
		{"a value and an exception", from(source{Namespaces: []string{"*"}, NotPrincipals: []string{"*/sa/frontend"}}), false},
		{"values and notValues of a condition", when(condition{Key: "source.ip", Values: []string{"10.0.0.0/8"}, NotValues: []string{"10.0.0.7"}}), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, action := range []proxyconfig.Action{proxyconfig.Allow, proxyconfig.Deny} {
				if got := matches(t, action, tt.rule, tcp()); got != tt.want {
					t.Errorf("%s matches = %t, want %t", action, got, tt.want)
				}
			}
		})
	}
}

func TestPattern(t *testing.T) {
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"abc", []string{"abc"}, []string{"abcd", "xabc", "ABC", ""}},
		{"abc*", []string{"abc", "abcd"}, []string{"xabc", "ab", ""}},
		{"*abc", []string{"abc", "xabc"}, []string{"abcd", "bc", ""}},
		{"*", []string{"a", "*"}, []string{""}},
		{"a.c", []string{"a.c"}, []string{"abc"}},
	}
	for _, tt := range tests {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range slices.Concat(tt.yes, tt.no) {
			if want := slices.Contains(tt.yes, s); p.match(s) != want {
				t.Errorf("%q matches %q = %t, want %t", tt.pattern, s, !want, want)
			}
		}
	}
	for _, bad := range []string{"", "a*c", "**", "*a*", "*a*b", "a**"} {
		if err := ValidatePattern(bad); err == nil {
			t.Errorf("pattern %q is accepted", bad)
		}
	}
}

func TestSources(t *testing.T) {
	const foreign = "spiffe://other.org/spire/agent"
	mapped, zoned := peerIP("::ffff:10.0.0.7"), peerIP("fe80::1%eth0")
	tests := []struct {
		name    string
		source  source
		request Request
		want    bool
	}{
		{"principal", source{Principals: []string{"cluster.local/ns/web/sa/frontend"}}, tcp(), true},
		{"principal prefix", source{Principals: []string{"cluster.local/ns/web/*"}}, tcp(), true},
		{"principal suffix", source{Principals: []string{"*/sa/frontend"}}, tcp(), true},
		{"principal of another", source{Principals: []string{"cluster.local/ns/web/sa/front"}}, tcp(), false},
		{"any principal", source{Principals: []string{"*"}}, tcp(), true},
		{"any principal, plaintext", source{Principals: []string{"*"}}, tcp(plaintext), false},
		{"no principal, plaintext", source{NotPrincipals: []string{"*"}}, tcp(plaintext), true},
		{"not a principal, plaintext", source{NotPrincipals: []string{"cluster.local/ns/a/sa/b"}}, tcp(plaintext), true},
		{"not a principal", source{NotPrincipals: []string{"cluster.local/ns/web/sa/frontend"}}, tcp(), false},
		{"any form of ID has a principal", source{Principals: []string{"other.org/spire/agent"}}, tcp(as(foreign)), true},

		{"namespace", source{Namespaces: []string{"web"}}, tcp(), true},
		{"namespace, whatever the trust domain", source{Namespaces: []string{"web"}}, tcp(as("spiffe://x.org/ns/web/sa/a")), true},
		{"namespace pattern", source{Namespaces: []string{"we*"}}, tcp(), true},
		{"any namespace", source{Namespaces: []string{"*"}}, tcp(), true},
		{"namespace is not the account", source{Namespaces: []string{"frontend"}}, tcp(), false},
		{"namespace, plaintext", source{Namespaces: []string{"*"}}, tcp(plaintext), false},
		{"not a namespace, plaintext", source{NotNamespaces: []string{"web"}}, tcp(plaintext), true},
		{"an ID of another form has no namespace", source{Namespaces: []string{"*"}}, tcp(as(foreign)), false},
		{"a namespace deeper in the ID is none", source{Namespaces: []string{"web"}}, tcp(as("spiffe://x.org/a/ns/web/sa/b")), false},

		{"service account", source{ServiceAccounts: []string{"web/frontend"}}, tcp(), true},
		{"service account, whatever the trust domain", source{ServiceAccounts: []string{"web/a"}}, tcp(as("spiffe://x.org/ns/web/sa/a")), true},
		{"service account of another namespace", source{ServiceAccounts: []string{"shop/frontend"}}, tcp(), false},
		{"service account, longer", source{ServiceAccounts: []string{"web/front"}}, tcp(), false},
		{"not a service account, plaintext", source{NotServiceAccounts: []string{"web/frontend"}}, tcp(plaintext), true},
		{"an ID with more segments has no account", source{ServiceAccounts: []string{"web/a"}}, tcp(as("spiffe://x.org/ns/web/sa/a/b")), false},

		{"trust domain", source{TrustDomains: []string{"cluster.local"}}, tcp(), true},
		{"trust domain suffix", source{TrustDomains: []string{"*.local"}}, tcp(), true},
		{"trust domain is whole", source{TrustDomains: []string{"cluster"}}, tcp(), false},
		{"any trust domain, plaintext", source{TrustDomains: []string{"*"}}, tcp(plaintext), false},
		{"any form of ID has a trust domain", source{TrustDomains: []string{"other.org"}}, tcp(as(foreign)), true},

		{"address", source{IPBlocks: []string{"10.0.0.7"}}, tcp(), true},
		{"block", source{IPBlocks: []string{"10.1.2.3/8"}}, tcp(), true},
		{"other block", source{IPBlocks: []string{"11.0.0.0/8"}}, tcp(), false},
		{"mapped address", source{IPBlocks: []string{"10.0.0.0/8"}}, tcp(mapped), true},
		{"mapped block", source{IPBlocks: []string{"::ffff:10.0.0.0/104"}}, tcp(), true},
		{"link-local with zone", source{IPBlocks: []string{"fe80::/10"}}, tcp(zoned), true},
		{"all IPv6 is not IPv4", source{IPBlocks: []string{"::/0"}}, tcp(), false},
		{"not a block", source{NotIPBlocks: []string{"10.0.0.0/8"}}, tcp(), false},
		{"no address is not in a block", source{NotIPBlocks: []string{"0.0.0.0/0"}}, Request{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, action := range []proxyconfig.Action{proxyconfig.Allow, proxyconfig.Deny} {
				if got := matches(t, action, from(tt.source), tt.request); got != tt.want {
					t.Errorf("%s matches = %t, want %t", action, got, tt.want)
				}
			}
		})
	}
}

func TestOperations(t *testing.T) {
	tests := []struct {
		name      string
		operation operation
		request   Request
		want      bool
	}{
		{"host", operation{Hosts: []string{"shop.example"}}, get("/"), true},
		{"host in another case", operation{Hosts: []string{"Shop.Example"}}, get("/", host("sHOP.eXAMPLE")), true},
		{"host suffix", operation{Hosts: []string{"*.EXAMPLE"}}, get("/"), true},
		{"host with any port", operation{Hosts: []string{"shop.example:*"}}, get("/", host("SHOP.example:8080")), true},
		{"host pattern with port, without one", operation{Hosts: []string{"shop.example:*"}}, get("/"), false},
		{"absent host", operation{Hosts: []string{"*"}}, get("/", host("")), false},
		{"not any host", operation{NotHosts: []string{"*"}}, get("/", host("")), true},
		{"method", operation{Methods: []string{"GET"}}, get("/"), true},
		{"other method", operation{Methods: []string{"POST"}}, get("/"), false},
		{"method pattern", operation{Methods: []string{"P*"}}, get("/", method("PATCH")), true},
		{"not a method", operation{NotMethods: []string{"GET"}}, get("/"), false},
		{"port", operation{Ports: []string{"80", "8080"}}, get("/"), true},
		{"other port", operation{Ports: []string{"80"}}, tcp(), false},
		{"not a port", operation{NotPorts: []string{"80"}}, tcp(), true},
		{"path", operation{Paths: []string{"/cart"}}, get("/cart"), true},
		{"path prefix", operation{Paths: []string{"/cart/*"}}, get("/cart/7"), true},
		{"path suffix", operation{Paths: []string{"*/info"}}, get("/cart/info"), true},
		{"path in another case", operation{Paths: []string{"/cart"}}, get("/Cart"), false},
		{"path is whole", operation{Paths: []string{"/cart"}}, get("/cart/"), false},
		{"not a path", operation{NotPaths: []string{"/cart*"}}, get("/cart/7"), false},
		{"path spelled with escapes", operation{Paths: []string{"/caf%c3%a9"}}, get("/caf%C3%A9"), true},
		{"path spelled without", operation{Paths: []string{"/café/*"}}, get("/caf%C3%A9/x"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, action := range []proxyconfig.Action{proxyconfig.Allow, proxyconfig.Deny} {
				if got := matches(t, action, to(tt.operation), tt.request); got != tt.want {
					t.Errorf("%s matches = %t, want %t", action, got, tt.want)
				}
			}
		})
	}
}

func TestParseIPBlock(t *testing.T) {
	for value, want := range map[string]string{
		"10.0.0.7": "10.0.0.7/32", "10.1.2.3/8": "10.0.0.0/8", "::1": "::1/128", "2001:db8::1/32": "2001:db8::/32",
		"::ffff:10.0.0.7": "10.0.0.7/32", "::ffff:10.1.2.3/104": "10.0.0.0/8", "0.0.0.0/0": "0.0.0.0/0",
		"": "", "10.0.0": "", "10.0.0.7/33": "", "10.0.0.7/": "", "010.0.0.7": "", "fe80::1%eth0": "", "fe80::1%eth0/64": "",
		"::ffff:0:0/90": "", "10.0.0.0/-1": "", "localhost": "", "*": "",
	} {
		got, err := ParseIPBlock(value)
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("ParseIPBlock(%q) = %v, %v, want %q", value, got, err, want)
		}
	}
}

func TestParsePort(t *testing.T) {
	for value, want := range map[string]int{
		"0": 0, "80": 80, "65535": 65535, "65536": -1, "-1": -1, "+80": -1, "": -1, "80-90": -1, "http": -1, "*": -1, "8 0": -1,
	} {
		got, err := ParsePort(value)
		if want < 0 && err == nil || want >= 0 && (err != nil || int(got) != want) {
			t.Errorf("ParsePort(%q) = %d, %v, want %d", value, got, err, want)
		}
	}
}

func TestValidateIdentityValues(t *testing.T) {
	tests := []struct {
		name      string
		validate  func(string) error
		good, bad []string
	}{
		{"principal", ValidatePrincipal,
			[]string{"cluster.local/ns/a/sa/b", "*", "cluster.local/*", "*/sa/b"},
			[]string{"", "spiffe://cluster.local/ns/a/sa/b", "spiffe://*", "cluster.local/ns/*/sa/b"}},
		{"namespace", ValidateNamespace, []string{"a", "a*", "*a", "*"}, []string{"", "a/b", "a*b"}},
		{"trust domain", ValidateTrustDomain, []string{"cluster.local", "*.local", "*"}, []string{"", "a/b", "a*b", "*a*"}},
		{"service account", ValidateServiceAccount,
			[]string{"a", "ns/a", "ns/a.b"}, []string{"", "*", "ns/*", "ns/", "/a", "a/b/c"}},
	}
	for _, tt := range tests {
		for _, value := range slices.Concat(tt.good, tt.bad) {
			want := slices.Contains(tt.good, value)
			if err := tt.validate(value); (err == nil) != want {
				t.Errorf("%s %q: error %v, want accepted = %t", tt.name, value, err, want)
			}
		}
	}
}

func TestSplitIdentity(t *testing.T) {
	tests := map[string]peerIdentity{
		"":                             {},
		"cluster.local/ns/a/sa/b":      {},
		"spiffe://":                    {},
		"spiffe:///ns/a/sa/b":          {},
		"SPIFFE://td/ns/a/sa/b":        {},
		"spiffe://td":                  {principal: "td", trustDomain: "td"},
		"spiffe://td/ns/a/sa/b":        {"td/ns/a/sa/b", "td", "a", "b"},
		"spiffe://td/ns/a/sa/b.c":      {"td/ns/a/sa/b.c", "td", "a", "b.c"},
		"spiffe://td/ns/a/sa/":         {principal: "td/ns/a/sa/", trustDomain: "td"},
		"spiffe://td/ns//sa/b":         {principal: "td/ns//sa/b", trustDomain: "td"},
		"spiffe://td/ns/a/sa/b/c":      {principal: "td/ns/a/sa/b/c", trustDomain: "td"},
		"spiffe://td/ns/a/x/sa/b":      {principal: "td/ns/a/x/sa/b", trustDomain: "td"},
		"spiffe://td/x/ns/a/sa/b":      {principal: "td/x/ns/a/sa/b", trustDomain: "td"},
		"spiffe://td/sa/b/ns/a":        {principal: "td/sa/b/ns/a", trustDomain: "td"},
		"spiffe://td/ns/sa/sa/ns":      {"td/ns/sa/sa/ns", "td", "sa", "ns"},
		"spiffe://td/ns/a/sa/b/ns/c/d": {principal: "td/ns/a/sa/b/ns/c/d", trustDomain: "td"},
	}
	for id, want := range tests {
		if diff := cmp.Diff(want, splitIdentity(id), cmp.AllowUnexported(peerIdentity{})); diff != "" {
			t.Errorf("splitIdentity(%q) (-want +got):\n%s", id, diff)
		}
	}
}
