package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// policiesOf compiles pod shop/web (app=web) and returns its policies.
func policiesOf(t *testing.T, ix *Index) []proxyconfig.Policy {
	t.Helper()
	return ix.CompileFor(Workload{Namespace: "shop", Name: "web", Labels: map[string]string{"app": "web"}}).Inbound.Policies
}

// TestPoliciesThatSelect: which policies reach pod shop/web, and in which order.
func TestPoliciesThatSelect(t *testing.T) {
	t.Parallel()
	const (
		web  = "selector: {matchLabels: {app: web}}"
		deny = "action: DENY, rules: [{from: [{source: {namespaces: [evil]}}]}]"
	)
	for _, tc := range []struct {
		name     string
		policies []string
		want     string
	}{
		{"none", nil, ""},
		{"namespace", []string{ap("shop/a", "{}")}, "ALLOW shop/a"},
		{"another namespace", []string{ap("cart/a", "{}")}, ""},
		{"root: the whole mesh", []string{ap("warifu-system/a", "{}")}, "ALLOW warifu-system/a"},
		{"selector", []string{ap("shop/a", "{"+web+"}"), ap("shop/b", "{selector: {matchLabels: {app: other}}}")}, "ALLOW shop/a"},
		{"root with a selector: in all namespaces, unlike a PeerAuthentication", []string{ap("warifu-system/a", "{"+web+"}"), ap("warifu-system/b", "{selector: {matchLabels: {app: other}}}")}, "ALLOW warifu-system/a"},
		{"empty selector: the namespace", []string{ap("shop/a", "{selector: {}}")}, "ALLOW shop/a"},
		{"united, none more specific", []string{ap("shop/a", "{"+web+"}"), ap("shop/b", "{}"), ap("warifu-system/c", "{}"), ap("warifu-system/d", "{"+web+"}")},
			"ALLOW shop/a, ALLOW shop/b, ALLOW warifu-system/c, ALLOW warifu-system/d"},
		{"DENY, ALLOW, AUDIT", []string{ap("shop/a@01", "{action: AUDIT, rules: [{}]}"), ap("shop/b@02", "{}"), ap("shop/c@03", "{"+deny+"}")}, "DENY shop/c, ALLOW shop/b, AUDIT shop/a"},
		{"oldest first, then namespace, then name", []string{ap("warifu-system/a@02", "{}"), ap("shop/z@02", "{"+web+"}"), ap("shop/b@02", "{}"), ap("shop/c@01", "{}"), ap("warifu-system/b@01", "{"+web+"}")},
			"ALLOW shop/c, ALLOW warifu-system/b, ALLOW shop/b, ALLOW shop/z, ALLOW warifu-system/a"},
		{"trial", []string{annotated(ap("shop/a", "{"+deny+"}"), "warifu.dev/dry-run", "true"), annotated(ap("shop/b", "{}"), "istio.io/dry-run", "true"), annotated(ap("shop/c", "{}"), "istio.io/dry-run", "false")},
			"DENY shop/a trial, ALLOW shop/b trial, ALLOW shop/c"},
		{"broken ALLOW and DENY deny", []string{ap("shop/a", "{rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}"), ap("shop/b", "{action: DENY}")}, "DENY shop/b broken, ALLOW shop/a broken"},
		{"CUSTOM stands for a check that must not be skipped", []string{ap("shop/a", "{action: CUSTOM, provider: {name: x}, rules: [{}]}")}, "DENY shop/a broken"},
		{"targetRefs", []string{ap("shop/a", "{targetRefs: [{kind: Gateway, name: x}]}")}, "ALLOW shop/a broken"},
		{"broken AUDIT and trials do nothing", []string{ap("shop/a", "{action: AUDIT, rules: [{from: []}, {to: [{}]}]}"), annotated(ap("shop/b", "{action: DENY}"), "warifu.dev/dry-run", "true")}, ""},
		{"a trial that is not a boolean bites", []string{annotated(ap("shop/a", "{"+deny+"}"), "warifu.dev/dry-run", "perhaps")}, "DENY shop/a broken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range policiesOf(t, build(t, tc.policies...)) {
				text := string(p.Action) + " " + p.Object.Namespace + "/" + p.Object.Name
				if p.DryRun {
					text += " trial"
				}
				if p.Broken != "" {
					text += " broken"
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func annotated(document, key, value string) string {
	return strings.Replace(document, "metadata: {", "metadata: {annotations: {"+key+": '"+value+"'}, ", 1)
}

// TestCompiledRules: rules keep their indices, names are resolved, nothing else changes.
func TestCompiledRules(t *testing.T) {
	settings := testSettings
	settings.Aliases = []string{"old"}
	ix := NewIndex(settings)
	load(t, ix, `
kind: AuthorizationPolicy
metadata: {namespace: shop, name: a}
spec:
  rules:
  - from:
    - source: {principals: [td/ns/web/sa/front], namespaces: [web, 'prod-*']}
    - source: {serviceAccounts: [back, cart/back], ipBlocks: [10.0.0.0/8]}
    to:
    - operation: {methods: [GET], paths: [/a], ports: ["8080"], hosts: [x]}
    when:
    - {key: source.principal, values: [old/ns/a/sa/b], notValues: [cluster.local/ns/a/sa/c]}
    - {key: source.serviceAccount, values: [x]}
    - {key: 'request.headers[x]', values: ['y']}
  - {}
---
kind: AuthorizationPolicy
metadata: {namespace: warifu-system, name: r}
spec: {action: DENY, rules: [{from: [{source: {notServiceAccounts: [sa]}}]}]}
`, nil)
	want := []proxyconfig.Policy{
		{Object: proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "warifu-system", Name: "r"}, Action: "DENY",
			Rules: []proxyconfig.Rule{{From: []proxyconfig.Source{{NotServiceAccounts: []string{"warifu-system/sa"}}}}}},
		{Object: proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "shop", Name: "a"}, Action: "ALLOW", Rules: []proxyconfig.Rule{
			{
				From: []proxyconfig.Source{
					{Principals: []string{"td/ns/web/sa/front", "old/ns/web/sa/front"}, Namespaces: []string{"web", "prod-*"}},
					{ServiceAccounts: []string{"shop/back", "cart/back"}, IPBlocks: []string{"10.0.0.0/8"}},
				},
				To: []proxyconfig.Operation{{Methods: []string{"GET"}, Paths: []string{"/a"}, Ports: []string{"8080"}, Hosts: []string{"x"}}},
				When: []proxyconfig.Condition{
					{Key: "source.principal", Values: []string{"td/ns/a/sa/b", "old/ns/a/sa/b"}, NotValues: []string{"td/ns/a/sa/c", "old/ns/a/sa/c"}},
					{Key: "source.serviceAccount", Values: []string{"shop/x"}},
					{Key: "request.headers[x]", Values: []string{"y"}},
				},
			},
			{},
		}},
	}
	if diff := cmp.Diff(want, policiesOf(t, ix)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestExpandPrincipals(t *testing.T) {
	for _, tc := range []struct {
		name      string
		domains   []string
		principal string
		want      []string
	}{
		{"own domain", []string{"td", "old"}, "td/ns/a/sa/b", []string{"td/ns/a/sa/b", "old/ns/a/sa/b"}},
		{"alias", []string{"td", "old"}, "old/ns/a/sa/b", []string{"td/ns/a/sa/b", "old/ns/a/sa/b"}},
		{"cluster.local is always ours", []string{"td", "old"}, "cluster.local/ns/a/sa/b", []string{"td/ns/a/sa/b", "old/ns/a/sa/b"}},
		{"no aliases", []string{"td"}, "cluster.local/ns/a/sa/b", []string{"td/ns/a/sa/b"}},
		{"a foreign domain is left alone", []string{"td", "old"}, "other/ns/a/sa/b", []string{"other/ns/a/sa/b"}},
		{"star", []string{"td", "old"}, "*", []string{"*"}},
		{"star for the domain covers all", []string{"td", "old"}, "*/ns/a/sa/b", []string{"*/ns/a/sa/b"}},
		{"a prefix that is not of the full form is left alone", []string{"td", "old"}, "td/ns/a/*", []string{"td/ns/a/*"}},
		{"a prefix of the full form", []string{"td", "old"}, "td/ns/a/sa/*", []string{"td/ns/a/sa/*", "old/ns/a/sa/*"}},
		{"a suffix of the full form", []string{"corp.local", "old"}, "*local/ns/a/sa/b", []string{"*local/ns/a/sa/b", "old/ns/a/sa/b"}},
		{"a suffix that is not ours", []string{"td", "old"}, "*x/ns/a/sa/b", []string{"*x/ns/a/sa/b"}},
		{"too long", []string{"td", "old"}, "td/ns/a/sa/b/c", []string{"td/ns/a/sa/b/c"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, expandPrincipals([]string{tc.principal}, tc.domains)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTrustDomains(t *testing.T) {
	got := NewIndex(Settings{TrustDomain: "td", Aliases: []string{"z", "a", "td", "a"}}).CompileFor(Workload{Namespace: "n", ServiceAccount: "s"})
	if diff := cmp.Diff([]string{"td", "a", "z"}, got.TrustDomains); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.Identity != "spiffe://td/ns/n/sa/s" || got.Version != proxyconfig.SchemaVersion {
		t.Errorf("got %+v", got)
	}
}
