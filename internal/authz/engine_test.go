package authz

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestEvaluationOrder is the table of evaluation: DENY, then ALLOW, and reports beside them.
func TestEvaluationOrder(t *testing.T) {
	anyone := policyRule{}
	web := from(source{Namespaces: []string{"web"}})
	other := from(source{Namespaces: []string{"other"}})
	tests := []struct {
		name     string
		policies []proxyconfig.Policy
		allowed  bool
		by       string
		rule     int
		reason   Reason
	}{
		{"no policy", nil, true, "", NoRule, ReasonNoPolicy},
		{"ALLOW matches", []proxyconfig.Policy{allow(other, web)}, true, "allow", 1, ReasonAllowed},
		{"ALLOW does not match", []proxyconfig.Policy{allow(other)}, false, "allow", NoRule, ReasonNoAllowMatched},
		{"ALLOW without rules allows nothing", []proxyconfig.Policy{allow()}, false, "allow", NoRule, ReasonNoAllowMatched},
		{"ALLOW with an empty rule allows all", []proxyconfig.Policy{allow(anyone)}, true, "allow", 0, ReasonAllowed},
		{"ALLOW-nothing and an exception", []proxyconfig.Policy{named("nothing", proxyconfig.Allow), allow(web)}, true, "allow", 0, ReasonAllowed},
		{"of several ALLOW the first that matches decides",
			[]proxyconfig.Policy{named("first", proxyconfig.Allow, web), allow(anyone)}, true, "first", 0, ReasonAllowed},
		{"of several ALLOW without a match the first is named",
			[]proxyconfig.Policy{named("first", proxyconfig.Allow, other), allow(other)}, false, "first", NoRule, ReasonNoAllowMatched},
		{"DENY matches", []proxyconfig.Policy{deny(other, web)}, false, "deny", 1, ReasonDenied},
		{"DENY does not match and no ALLOW", []proxyconfig.Policy{deny(other)}, true, "", NoRule, ReasonNoPolicy},
		{"DENY with an empty rule denies all", []proxyconfig.Policy{deny(anyone)}, false, "deny", 0, ReasonDenied},
		{"DENY without rules never matches", []proxyconfig.Policy{deny()}, true, "", NoRule, ReasonNoPolicy},
		{"DENY beats ALLOW", []proxyconfig.Policy{deny(web), allow(anyone)}, false, "deny", 0, ReasonDenied},
		{"DENY beats ALLOW in any order", []proxyconfig.Policy{allow(anyone), deny(web)}, false, "deny", 0, ReasonDenied},
		{"DENY falls through to ALLOW", []proxyconfig.Policy{deny(other), allow(web)}, true, "allow", 0, ReasonAllowed},
		{"AUDIT is no ALLOW", []proxyconfig.Policy{audit(other)}, true, "", NoRule, ReasonNoPolicy},
		{"a dry-run ALLOW selects nothing", []proxyconfig.Policy{dryRun(allow(other))}, true, "", NoRule, ReasonNoPolicy},
		{"a dry-run ALLOW permits nothing", []proxyconfig.Policy{dryRun(allow(web)), allow(other)}, false, "allow", NoRule, ReasonNoAllowMatched},
		{"a dry-run DENY denies nothing", []proxyconfig.Policy{dryRun(deny(web)), allow(web)}, true, "allow", 0, ReasonAllowed},
		{"a broken DENY denies", []proxyconfig.Policy{broken(deny()), allow(web)}, false, "broken-deny", NoRule, ReasonBrokenPolicy},
		{"a broken ALLOW denies what others allow", []proxyconfig.Policy{allow(web), broken(allow())}, false, "broken-allow", NoRule, ReasonBrokenPolicy},
		{"a broken AUDIT does nothing", []proxyconfig.Policy{broken(audit(web))}, true, "", NoRule, ReasonNoPolicy},
		{"a broken dry-run does nothing", []proxyconfig.Policy{dryRun(broken(deny(web))), dryRun(broken(allow(web)))}, true, "", NoRule, ReasonNoPolicy},
		{"a DENY before a broken one is named", []proxyconfig.Policy{deny(web), broken(deny())}, false, "deny", 0, ReasonDenied},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := compile(t, permissive(tt.policies...)).Decide(tcp())
			by := ""
			if d.DecidedBy != nil {
				by = d.DecidedBy.Name
			}
			got := []any{d.Allowed, by, d.Rule, d.Reason}
			if diff := cmp.Diff([]any{tt.allowed, tt.by, tt.rule, tt.reason}, got); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReports(t *testing.T) {
	web := from(source{Namespaces: []string{"web"}})
	other := from(source{Namespaces: []string{"other"}})
	e := compile(t, permissive(
		deny(web), dryRun(deny(other, web)), dryRun(deny(other)), dryRun(allow(web)), audit(other, other, web), broken(audit(web)), audit()))
	d := e.Decide(tcp())
	if d.Allowed {
		t.Error("allowed: a report must not replace the verdict")
	}
	object := func(name string) proxyconfig.ObjectRef { return named(name, proxyconfig.Audit).Object }
	want := []Report{
		{object("dry-deny"), 1, proxyconfig.Deny, true},
		{object("dry-allow"), 0, proxyconfig.Allow, true},
		{object("audit"), 2, proxyconfig.Audit, false},
	}
	if diff := cmp.Diff(want, d.Reports); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

func TestMode(t *testing.T) {
	strict := &proxyconfig.ObjectRef{Kind: "PeerAuthentication", Namespace: "shop", Name: "strict"}
	in := permissive(allow(policyRule{}), audit(policyRule{}))
	in.Default = proxyconfig.PortMode{Mode: proxyconfig.Strict, DecidedBy: strict}
	in.Ports = []proxyconfig.PortMode{{Port: 9000, Mode: proxyconfig.Permissive}, {Port: 9001, Mode: proxyconfig.Disable}}
	e := compile(t, in)
	unproven := func(r *Request) { r.Peer.MTLS = false }
	tests := []struct {
		name    string
		request Request
		allowed bool
	}{
		{"STRICT, proven", tcp(), true},
		{"STRICT, plaintext", tcp(plaintext), false},
		{"STRICT, an identity that was not proven", tcp(unproven), false},
		{"STRICT, mutual TLS without an identity", tcp(as("")), false},
		{"STRICT, not a SPIFFE ID", tcp(as("https://cluster.local/ns/web/sa/frontend")), false},
		{"STRICT, plaintext HTTP", get("/", plaintext), false},
		{"PERMISSIVE, plaintext", tcp(plaintext, onPort(9000)), true},
		{"PERMISSIVE, proven", tcp(onPort(9000)), true},
		{"DISABLE, plaintext", tcp(plaintext, onPort(9001)), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := e.Decide(tt.request)
			if d.Allowed != tt.allowed {
				t.Fatalf("allowed = %t, want %t", d.Allowed, tt.allowed)
			}
			want := Decision{DecidedBy: strict, Rule: NoRule, Reason: ReasonPlaintextRefused}
			if diff := cmp.Diff(want, d); !tt.allowed && diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

// On a DISABLE port no handshake is ours: whatever a caller claims, the peer has no identity. The same holds for an
// identity without a handshake.
func TestIdentityOnlyWhereProven(t *testing.T) {
	in := permissive(allow(from(source{Principals: []string{"*"}})))
	in.Ports = []proxyconfig.PortMode{{Port: 9001, Mode: proxyconfig.Disable}}
	e := compile(t, in)
	if !e.Decide(tcp()).Allowed {
		t.Error("a proven identity is refused")
	}
	if e.Decide(tcp(onPort(9001))).Allowed {
		t.Error("an identity counts on a DISABLE port")
	}
	if e.Decide(tcp(func(r *Request) { r.Peer.MTLS = false })).Allowed {
		t.Error("an identity counts without mutual TLS")
	}
}

func TestCompileErrors(t *testing.T) {
	tests := []struct {
		name string
		in   proxyconfig.Inbound
		want string
	}{
		{"mode", proxyconfig.Inbound{}, `inbound mode of the default: "" is not STRICT, PERMISSIVE or DISABLE`},
		{"port mode", proxyconfig.Inbound{
			Default: proxyconfig.PortMode{Mode: proxyconfig.Strict},
			Ports:   []proxyconfig.PortMode{{Port: 80, Mode: "UNSET", DecidedBy: &proxyconfig.ObjectRef{Kind: "PeerAuthentication", Namespace: "a", Name: "b"}}},
		}, `inbound mode of port 80 by PeerAuthentication a/b: "UNSET" is not STRICT, PERMISSIVE or DISABLE`},
		{"action", permissive(named("x", "CUSTOM")), `AuthorizationPolicy shop/x: spec.action: "CUSTOM"`},
		{"principal", permissive(allow(policyRule{}, from(source{NotPrincipals: []string{"a", "b*c"}}))),
			`AuthorizationPolicy shop/allow: spec.rules[1].from[0].source.notPrincipals[1]: "b*c"`},
		{"block", permissive(deny(from(source{IPBlocks: []string{"10.0.0.0/40"}}))), `spec.rules[0].from[0].source.ipBlocks[0]: "10.0.0.0/40"`},
		{"port", permissive(deny(to(operation{Ports: []string{"80-90"}}))), `spec.rules[0].to[0].operation.ports[0]: "80-90"`},
		{"path", permissive(deny(to(operation{Paths: []string{"/{x}"}}))), `spec.rules[0].to[0].operation.paths[0]: path template "/{x}"`},
		{"short service account", permissive(allow(from(source{ServiceAccounts: []string{"a"}}))), `source.serviceAccounts[0]: a service account must carry its namespace`},
		{"condition key", permissive(deny(when(condition{Key: "source.color", Values: []string{"red"}}))), `spec.rules[0].when[0].key: condition key "source.color" is unknown`},
		{"condition value", permissive(deny(when(condition{Key: "source.ip", NotValues: []string{"x"}}))), `spec.rules[0].when[0].notValues[0]: "x"`},
		{"condition without values", permissive(deny(when(condition{Key: "source.ip"}))), `spec.rules[0].when[0]: no field has a value`},
		{"empty source", permissive(allow(from(source{}))), `spec.rules[0].from[0].source: no field has a value`},
		{"empty operation", permissive(allow(to(operation{}))), `spec.rules[0].to[0].operation: no field has a value`},
		{"empty value", permissive(deny(to(operation{Hosts: []string{""}}))), `spec.rules[0].to[0].operation.hosts[0]: a value must not be empty`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// A broken policy carries whatever could not be compiled; its rules are not looked at.
func TestBrokenRulesAreNotCompiled(t *testing.T) {
	compile(t, permissive(broken(deny(from(source{IPBlocks: []string{"nonsense"}})))))
}
