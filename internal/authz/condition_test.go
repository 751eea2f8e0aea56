package authz

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestConditions has every supported key, with a value that matches the request and one that does not.
func TestConditions(t *testing.T) {
	request := get("/", header("X-Token", "blue"))
	tests := []struct{ key, yes, no string }{
		{"source.principal", "*/sa/frontend", "*/sa/backend"},
		{"source.namespace", "web", "shop"},
		{"source.serviceAccount", "web/frontend", "shop/frontend"},
		{"source.trustDomain", "cluster.*", "other.org"},
		{"source.ip", "10.0.0.0/24", "10.0.1.0/24"},
		{"destination.ip", "10.1.0.9", "10.0.0.7"},
		{"destination.port", "8080", "80"},
		{"connection.sni", "*.EXAMPLE", "*.org"},
		{"request.headers[x-token]", "blu*", "red"},
		{"request.headers[X-TOKEN]", "*", "BLUE"},
	}
	for _, tt := range tests {
		for _, action := range []proxyconfig.Action{proxyconfig.Allow, proxyconfig.Deny} {
			for rule, want := range map[*condition]bool{
				{Key: tt.key, Values: []string{tt.yes}}:                              true,
				{Key: tt.key, Values: []string{tt.no}}:                               false,
				{Key: tt.key, Values: []string{tt.no, tt.yes}}:                       true,
				{Key: tt.key, NotValues: []string{tt.yes}}:                           false,
				{Key: tt.key, NotValues: []string{tt.no}}:                            true,
				{Key: tt.key, Values: []string{tt.yes}, NotValues: []string{tt.yes}}: false,
			} {
				if got := matches(t, action, when(*rule), request); got != want {
					t.Errorf("%s %+v matches = %t, want %t", action, *rule, got, want)
				}
			}
		}
	}
}

// TestAbsentAttributes: values are false of an attribute that is not there, notValues are true.
func TestAbsentAttributes(t *testing.T) {
	request := get("/", plaintext)
	for _, key := range []string{
		"source.principal", "source.namespace", "source.trustDomain", "connection.sni", "request.headers[x-token]",
	} {
		for _, action := range []proxyconfig.Action{proxyconfig.Allow, proxyconfig.Deny} {
			if matches(t, action, when(condition{Key: key, Values: []string{"*"}}), request) {
				t.Errorf("%s: values [*] of %s match an absent attribute", action, key)
			}
			if !matches(t, action, when(condition{Key: key, NotValues: []string{"*"}}), request) {
				t.Errorf("%s: notValues [*] of %s do not match an absent attribute", action, key)
			}
		}
	}
}

func TestParseConditionKeyRefusals(t *testing.T) {
	for key, want := range map[string]string{
		"":                                   "unknown",
		"source":                             "unknown",
		"source.ip ":                         "unknown",
		"Source.ip":                          "unknown",
		"remote.ip":                          "use source.ip",
		"request.auth.principal":             "JSON Web Tokens",
		"request.auth.audiences":             "JSON Web Tokens",
		"request.auth.presenter":             "JSON Web Tokens",
		"request.auth.claims[iss]":           "JSON Web Tokens",
		"destination.namespace":              "use selector",
		"destination.labels[app]":            "use selector",
		"destination.name":                   "use selector",
		"destination.user":                   "use selector",
		"experimental.envoy.filters.x[y]":    "no Envoy filters",
		"request.headers":                    "not of the form",
		"request.headers[]":                  "not of the form",
		"request.headers[x":                  "not of the form",
		"request.headersx]":                  "not of the form",
		"request.headers[x][y]":              "not of the form",
		"request.headers[x]y":                "not of the form",
		"request.headers[:path]":             "not of the form",
		"request.headers[x y]":               "not of the form",
		"request.headers[host]":              "use the hosts",
		"request.headers[tRansfer-encoding]": "not passed on",
	} {
		if _, err := ParseConditionKey(key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseConditionKey(%q): error %v, want %q", key, err, want)
		}
	}
}

func TestConditionKeyValidate(t *testing.T) {
	tests := []struct{ key, good, bad string }{
		{"source.principal", "td/ns/a/sa/b", "spiffe://td/ns/a/sa/b"},
		{"source.namespace", "a*", "a/b"},
		{"source.serviceAccount", "short", "a/*"},
		{"source.trustDomain", "*.local", "a*b"},
		{"source.ip", "10.0.0.0/8", "10.0.0.0/40"},
		{"destination.ip", "::1", "x"},
		{"destination.port", "80", "65536"},
		{"connection.sni", "*.x", "a*b"},
		{"request.headers[x]", "a", ""},
	}
	for _, tt := range tests {
		key, err := ParseConditionKey(tt.key)
		if err != nil {
			t.Fatal(err)
		}
		if err := key.Validate(tt.good); err != nil {
			t.Errorf("%s: %v", tt.key, err)
		}
		if key.Validate(tt.bad) == nil {
			t.Errorf("%s accepts %q", tt.key, tt.bad)
		}
	}
}

// TestHTTPRulesOnTCP is what becomes of HTTP fields on a connection that is not HTTP.
func TestHTTPRulesOnTCP(t *testing.T) {
	gets := operation{Methods: []string{"GET"}}
	tests := []struct {
		name                           string
		rule                           policyRule
		allowMatches, denyAuditMatches bool
	}{
		{"methods", to(gets), false, true},
		{"notMethods", to(operation{NotMethods: []string{"GET"}}), false, true},
		{"hosts", to(operation{Hosts: []string{"x"}}), false, true},
		{"notHosts", to(operation{NotHosts: []string{"x"}}), false, true},
		{"paths", to(operation{Paths: []string{"/x"}}), false, true},
		{"notPaths", to(operation{NotPaths: []string{"/x"}}), false, true},
		{"header", when(condition{Key: "request.headers[x]", Values: []string{"y"}}), false, true},
		{"absent header", when(condition{Key: "request.headers[x]", NotValues: []string{"y"}}), false, true},
		{"method on this port", to(operation{Methods: []string{"GET"}, Ports: []string{"8080"}}), false, true},
		{"method on another port", to(operation{Methods: []string{"GET"}, Ports: []string{"80"}}), false, false},
		{"method from this namespace", policyRule{From: []source{{Namespaces: []string{"web"}}}, To: []operation{gets}}, false, true},
		{"method from another namespace", policyRule{From: []source{{Namespaces: []string{"x"}}}, To: []operation{gets}}, false, false},
		{"in one of several operations", policyRule{To: []operation{{Ports: []string{"8080"}}, gets}}, false, true},
		{"in one of several, the other port", policyRule{To: []operation{{Ports: []string{"80"}}, gets}}, false, true},
		{"no HTTP field", to(operation{Ports: []string{"8080"}}), true, true},
		{"a condition of the connection", when(condition{Key: "connection.sni", Values: []string{"shop.example"}}), true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := matches(t, proxyconfig.Allow, tt.rule, tcp()); got != tt.allowMatches {
				t.Errorf("ALLOW matches = %t, want %t", got, tt.allowMatches)
			}
			if got := matches(t, proxyconfig.Deny, tt.rule, tcp()); got != tt.denyAuditMatches {
				t.Errorf("DENY matches = %t, want %t", got, tt.denyAuditMatches)
			}
			d := compile(t, permissive(audit(tt.rule), dryRun(allow(tt.rule)))).Decide(tcp())
			reported := map[proxyconfig.Action]bool{}
			for _, r := range d.Reports {
				reported[r.Action] = true
			}
			if reported[proxyconfig.Audit] != tt.denyAuditMatches || reported[proxyconfig.Allow] != tt.allowMatches {
				t.Errorf("reports %+v", d.Reports)
			}
		})
	}
}

// An ALLOW whose every rule is for HTTP still selects the workload: on TCP it allows nothing.
func TestAllowOfHTTPOnTCPDeniesAll(t *testing.T) {
	d := compile(t, permissive(allow(to(operation{Methods: []string{"GET"}})))).Decide(tcp())
	if d.Allowed || d.Reason != ReasonNoAllowMatched {
		t.Errorf("decision %+v", d)
	}
}

func TestHTTPOnlyFields(t *testing.T) {
	rule := policyRule{
		From: []source{{Namespaces: []string{"a"}}},
		To:   []operation{{Ports: []string{"1"}}, {Hosts: []string{"h"}, NotMethods: []string{"GET"}, NotPaths: []string{"/"}}},
		When: []condition{{Key: "source.ip", Values: []string{"::1"}}, {Key: "request.headers[x]", Values: []string{"y"}}},
	}
	want := []string{"to[1].operation.hosts", "to[1].operation.notMethods", "to[1].operation.notPaths", "when[1].key"}
	if diff := cmp.Diff(want, HTTPOnlyFields(rule)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
