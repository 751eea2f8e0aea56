package crd

import (
	"strings"
	"testing"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestAuthorizationPolicy(t *testing.T) {
	runCases(t, v1alpha1.KindAuthorizationPolicy, []objectCase{
		{name: "no spec", yaml: `{}`},
		{name: "allow nothing", yaml: `spec: {}`},
		{name: "allow everything", yaml: `spec: {rules: [{}]}`},
		{name: "deny everything", yaml: `spec: {action: DENY, rules: [{}]}`},
		{name: "audit", yaml: `spec: {action: AUDIT, rules: [{from: [{source: {notPrincipals: ["*"]}}]}]}`},
		{name: "every field", yaml: `
spec:
  selector: {matchLabels: {app: web}}
  rules:
  - from:
    - source: {principals: [a], notPrincipals: [a], namespaces: [a], notNamespaces: [a], trustDomains: [a], notTrustDomains: [a], ipBlocks: [10.0.0.1], notIpBlocks: [10.0.0.1]}
    - source: {serviceAccounts: [a], notServiceAccounts: [a]}
    to:
    - operation: {hosts: [a], notHosts: [a], ports: ["1"], notPorts: ["1"], methods: [GET], notMethods: [GET], paths: [/a], notPaths: [/a]}
    when:
    - {key: source.ip, values: [10.0.0.1], notValues: [10.0.0.2]}`},
		{name: "as many rules as there may be", yaml: `spec: {rules: [{}` + strings.Repeat(", {}", 511) + `]}`},

		{name: "one rule more", yaml: `spec: {rules: [{}` + strings.Repeat(", {}", 512) + `]}`, refused: "spec.rules: Too many"},
		{name: "unknown action", yaml: `spec: {action: LOG}`, refused: `spec.action: Unsupported value: "LOG"`},
		{name: "CUSTOM", yaml: `spec: {action: CUSTOM, provider: {name: opa}, rules: [{}]}`,
			refused: "spec.action: Invalid value: CUSTOM is not supported: Warifu asks no external authorizer; write the decision as ALLOW and DENY rules"},
		{name: "provider", yaml: `spec: {provider: {name: opa}}`, refused: "provider is not supported"},
		{name: "targetRef", yaml: `spec: {targetRef: {kind: Gateway, name: g}}`, refused: "targetRef is not supported"},
		{name: "targetRefs", yaml: `spec: {targetRefs: [{kind: Gateway, name: g}]}`,
			refused: "spec.targetRefs: Invalid value: targetRefs is not supported: Warifu has no waypoints; choose the pods with selector"},
		{name: "DENY without rules", yaml: `spec: {action: DENY}`, refused: "a DENY policy without rules never denies: add a rule, or rules: [{}] to deny everything"},
		{name: "DENY with empty rules", yaml: `spec: {action: DENY, rules: []}`, refused: "a DENY policy without rules never denies"},
		{name: "from: []", yaml: `spec: {rules: [{from: []}]}`, refused: "spec.rules[0].from"},
		{name: "to: []", yaml: `spec: {rules: [{to: []}]}`, refused: "spec.rules[0].to"},
		{name: "from without source", yaml: `spec: {rules: [{from: [{}]}]}`, refused: "spec.rules[0].from[0].source: Required value"},
		{name: "to without operation", yaml: `spec: {rules: [{to: [{}]}]}`, refused: "spec.rules[0].to[0].operation: Required value"},
		{name: "empty source", yaml: `spec: {rules: [{from: [{source: {}}]}]}`, refused: "spec.rules[0].from[0].source"},
		{name: "empty operation", yaml: `spec: {rules: [{to: [{operation: {}}]}]}`, refused: "spec.rules[0].to[0].operation"},
		{name: "empty value", yaml: `spec: {rules: [{from: [{source: {principals: [""]}}]}]}`, refused: "spec.rules[0].from[0].source.principals[0]"},
		{name: "17 service accounts", yaml: `spec: {rules: [{from: [{source: {serviceAccounts: [a` + strings.Repeat(",a", 16) + `]}}]}]}`, refused: "serviceAccounts: Too many"},
		{name: "long service account", yaml: `spec: {rules: [{from: [{source: {serviceAccounts: [` + strings.Repeat("a", 321) + `]}}]}]}`, refused: "serviceAccounts[0]: Too long"},
		{name: "service accounts beside namespaces", yaml: `spec: {rules: [{from: [{source: {notServiceAccounts: [a], namespaces: [b]}}]}]}`,
			refused: "write the namespace into the service account (namespace/name), or use two sources"},
		{name: "requestPrincipals", yaml: `spec: {rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}`,
			refused: "requestPrincipals and notRequestPrincipals are not supported: Warifu verifies no JSON Web Tokens; use principals, or check tokens in the application"},
		{name: "notRemoteIpBlocks", yaml: `spec: {rules: [{from: [{source: {notRemoteIpBlocks: [10.0.0.1]}}]}]}`, refused: "remoteIpBlocks and notRemoteIpBlocks are not supported"},
		{name: "condition without key", yaml: `spec: {rules: [{when: [{values: [a]}]}]}`, refused: "spec.rules[0].when[0].key: Required value"},
		{name: "condition without values", yaml: `spec: {rules: [{when: [{key: source.ip}]}]}`, refused: "a condition needs values or notValues"},
		{name: "request.auth", yaml: `spec: {rules: [{when: [{key: "request.auth.claims[a]", values: [b]}]}]}`, refused: "request.auth.* is not supported"},
		{name: "remote.ip", yaml: `spec: {rules: [{when: [{key: remote.ip, values: [10.0.0.1]}]}]}`, refused: "remote.ip is not supported"},
		{name: "experimental", yaml: `spec: {rules: [{when: [{key: "experimental.envoy.filters.a[b]", values: [c]}]}]}`, refused: "experimental.* is not supported"},
		{name: "matchExpressions", yaml: `spec: {selector: {matchExpressions: []}}`, refused: `unknown field "spec.selector.matchExpressions"`},
	})
}

// TestNullRule: null would decode as {}, a rule that matches everything; only the API server can tell them apart.
func TestNullRule(t *testing.T) {
	object := parse(t, `spec: {rules: [null]}`)
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.KindAuthorizationPolicy))
	object.SetName("it")
	compare(t, create(t, cluster.Require(t), object), "spec.rules[0]")
}
