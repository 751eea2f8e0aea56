package policy

import (
	"strings"
	"testing"
)

func TestCheckAuthorizationPolicy(t *testing.T) {
	runCheckCases(t, CheckAuthorizationPolicy, []checkCase{
		{name: "allow nothing", yaml: `spec: {}`},
		{name: "allow nothing, said aloud", yaml: `spec: {action: ALLOW, rules: []}`},
		{name: "allow everything", yaml: `spec: {rules: [{}]}`},
		{name: "deny everything", yaml: `spec: {action: DENY, rules: [{}]}`},
		{name: "selector in the root namespace", yaml: `
metadata: {name: it, namespace: warifu-system}
spec: {selector: {matchLabels: {app: web}}, rules: [{}]}`},
		{name: "everything that is supported", yaml: `
spec:
  selector: {matchLabels: {app: web, empty: ""}}
  action: ALLOW
  rules:
  - from:
    - source: {principals: [corp.example/ns/a/sa/b, "*", "corp.example/ns/a/*", "*/sa/b"], notNamespaces: [c, "d-*"], trustDomains: [old.example, "*.example"]}
    - source: {serviceAccounts: [a/b, c], notServiceAccounts: [d]}
    - source: {ipBlocks: [10.0.0.0/8, "2001:db8::1"], notIpBlocks: [10.1.2.3]}
    to:
    - operation: {hosts: [example.com, "example.com:*"], ports: ["8080"], notPorts: ["1"], methods: [GET, "*"], paths: ["/a", "/b/*", "*.html", "/c/{*}/d/{**}"]}
    when:
    - {key: "request.headers[X-Token]", values: [admin]}
    - {key: source.ip, values: [10.0.0.0/8]}
    - {key: source.namespace, values: [a]}
    - {key: source.serviceAccount, values: [a/b]}
    - {key: source.principal, values: ["cluster.local/ns/a/sa/b"]}
    - {key: source.trustDomain, values: ["*"]}
    - {key: destination.ip, notValues: [10.0.0.1]}
    - {key: destination.port, values: ["8080"]}
    - {key: connection.sni, values: ["*.example.com"]}`},

		{name: "empty selector", yaml: `spec: {selector: {}}`, want: []string{"Warning EmptySelector spec.selector"}},
		{name: "selector with a wildcard", yaml: `spec: {selector: {matchLabels: {app: "web*"}}}`, want: []string{"Error Invalid spec.selector.matchLabels[app]"}},
		{name: "DENY without rules", yaml: `spec: {action: DENY}`, want: []string{"Error DenyWithoutRules spec.rules"}, says: "rules: [{}]"},
		{name: "AUDIT without rules", yaml: `spec: {action: AUDIT}`, want: []string{"Warning NoEffect spec.rules"}},
		{name: "CUSTOM", yaml: `spec: {action: CUSTOM, provider: {name: opa}, rules: [{}]}`,
			want: []string{"Error Unsupported spec.action", "Error Unsupported spec.provider"}, says: "write the decision as ALLOW and DENY rules"},
		{name: "provider", yaml: `spec: {provider: {name: opa}}`, want: []string{"Error Unsupported spec.provider"}},
		{name: "unknown action", yaml: `spec: {action: LOG}`, want: []string{"Error Invalid spec.action"}},
		{name: "targets", yaml: `spec: {targetRef: {kind: Gateway, name: g}, targetRefs: [{kind: Service, name: s}]}`,
			want: []string{"Error Unsupported spec.targetRef", "Error Unsupported spec.targetRefs"}, says: "choose the pods with selector"},
		{name: "too many", yaml: `spec: {rules: [{}` + strings.Repeat(",{}", 512) + `]}`, want: []string{"Error TooMany spec.rules"}},

		{name: "dry run", yaml: `
metadata: {name: it, namespace: prod, annotations: {istio.io/dry-run: "true", warifu.dev/dry-run: "true"}}
spec: {action: DENY, rules: [{}]}`},
		{name: "dry run, no boolean", yaml: `
metadata: {name: it, namespace: prod, annotations: {istio.io/dry-run: "maybe"}}
spec: {}`,
			want: []string{"Error DryRun metadata.annotations[istio.io/dry-run]"}},
		{name: "dry run, contradiction", yaml: `
metadata: {name: it, namespace: prod, annotations: {istio.io/dry-run: "true", warifu.dev/dry-run: "false"}}
spec: {}`,
			want: []string{"Error DryRun metadata.annotations[istio.io/dry-run]"}, says: "contradicts"},
		{name: "dry run of AUDIT", yaml: `
metadata: {name: it, namespace: prod, annotations: {warifu.dev/dry-run: "true"}}
spec: {action: AUDIT, rules: [{}]}`,
			want: []string{"Error DryRun metadata.annotations[warifu.dev/dry-run]"}},
	})
}

func TestCheckSource(t *testing.T) {
	runCheckCases(t, CheckAuthorizationPolicy, []checkCase{
		{name: "from: []", yaml: `spec: {rules: [{from: []}]}`, want: []string{"Error Required spec.rules[0].from"}, says: "anyone"},
		{name: "no source", yaml: `spec: {rules: [{from: [{}, null]}]}`,
			want: []string{"Error Required spec.rules[0].from[0].source", "Error Required spec.rules[0].from[1].source"}},
		{name: "empty source", yaml: `spec: {rules: [{from: [{source: {}}]}]}`, want: []string{"Error Required spec.rules[0].from[0].source"}},
		{name: "empty lists only", yaml: `spec: {rules: [{from: [{source: {principals: []}}]}]}`, want: []string{"Error Required spec.rules[0].from[0].source"}},
		{name: "an empty list", yaml: `spec: {rules: [{from: [{source: {principals: [], namespaces: [a]}}]}]}`,
			want: []string{"Warning NoEffect spec.rules[0].from[0].source.principals"}},
		{name: "empty values", yaml: `
spec: {rules: [{from: [{source: {principals: [""], notNamespaces: [""], trustDomains: [""], ipBlocks: [""]}}, {source: {serviceAccounts: [""]}}]}]}`,
			want: []string{
				"Error Invalid spec.rules[0].from[0].source.principals[0]",
				"Error Invalid spec.rules[0].from[0].source.notNamespaces[0]",
				"Error Invalid spec.rules[0].from[0].source.trustDomains[0]",
				"Error Invalid spec.rules[0].from[0].source.ipBlocks[0]",
				"Error Invalid spec.rules[0].from[1].source.serviceAccounts[0]",
			}},
		{name: "scheme", yaml: `spec: {rules: [{}, {from: [{source: {namespaces: [a]}}, {source: {principals: ["spiffe://corp.example/ns/a/sa/b"]}}]}]}`,
			want: []string{"Error PrincipalScheme spec.rules[1].from[1].source.principals[0]"}, says: "without spiffe://"},
		{name: "middle wildcards", yaml: `
spec: {rules: [{from: [{source: {principals: ["corp.example/ns/*/sa/b", "*a*"], notNamespaces: ["a*b"], trustDomains: ["a.*.b"]}}]}]}`,
			want: []string{
				"Error MiddleWildcard spec.rules[0].from[0].source.principals[0]",
				"Error MiddleWildcard spec.rules[0].from[0].source.principals[1]",
				"Error MiddleWildcard spec.rules[0].from[0].source.notNamespaces[0]",
				"Error MiddleWildcard spec.rules[0].from[0].source.trustDomains[0]",
			}},
		{name: "principals that nobody has", yaml: `
spec: {rules: [{from: [{source: {principals: [web, "default/web", "corp.example/ns/a/sa/b/c", "corp.example/sa/*", "a/b/c/d/e/f*", "*/ns/b", "corp.example/n*", "*", "*a/b", "web*"]}}]}]}`,
			want: []string{
				"Warning NeverMatches spec.rules[0].from[0].source.principals[0]",
				"Warning NeverMatches spec.rules[0].from[0].source.principals[1]",
				"Warning NeverMatches spec.rules[0].from[0].source.principals[2]",
				"Warning NeverMatches spec.rules[0].from[0].source.principals[3]",
				"Warning NeverMatches spec.rules[0].from[0].source.principals[4]",
				"Warning NeverMatches spec.rules[0].from[0].source.principals[5]",
			}},
		{name: "other trust domains", yaml: `
spec: {rules: [{from: [{source: {principals: [foreign.example/ns/a/sa/b, "foreign.example/*", old.example/ns/a/sa/b, cluster.local/ns/a/sa/b], trustDomains: [foreign.example, cluster.local]}}]}]}`,
			want: []string{
				"Warning UnknownTrustDomain spec.rules[0].from[0].source.principals[0]",
				"Warning UnknownTrustDomain spec.rules[0].from[0].source.principals[1]",
				"Warning UnknownTrustDomain spec.rules[0].from[0].source.trustDomains[0]",
				"Warning UnknownTrustDomain spec.rules[0].from[0].source.trustDomains[1]",
			}, says: "corp.example"},
		{name: "trust domain with a path", yaml: `spec: {rules: [{from: [{source: {trustDomains: [corp.example/ns]}}]}]}`,
			want: []string{"Error Invalid spec.rules[0].from[0].source.trustDomains[0]"}},
		{name: "namespaces", yaml: `spec: {rules: [{from: [{source: {namespaces: [Prod, a.b, a/b, "a*"]}}]}]}`,
			want: []string{
				"Warning NeverMatches spec.rules[0].from[0].source.namespaces[0]",
				"Warning NeverMatches spec.rules[0].from[0].source.namespaces[1]",
				"Error Invalid spec.rules[0].from[0].source.namespaces[2]",
			}},
		{name: "serviceAccounts", yaml: `spec: {rules: [{from: [{source: {serviceAccounts: [a/b/c, "a/*b", A/b, ` + strings.Repeat("a", 321) + `]}}]}]}`,
			want: []string{
				"Error Invalid spec.rules[0].from[0].source.serviceAccounts[0]",
				"Error MiddleWildcard spec.rules[0].from[0].source.serviceAccounts[1]",
				"Warning NeverMatches spec.rules[0].from[0].source.serviceAccounts[2]",
				"Warning NeverMatches spec.rules[0].from[0].source.serviceAccounts[3]",
				"Error Invalid spec.rules[0].from[0].source.serviceAccounts[3]",
			}},
		{name: "serviceAccounts, too many", yaml: `spec: {rules: [{from: [{source: {notServiceAccounts: [` + strings.Repeat("a,", 17) + `], trustDomains: ["*"]}}]}]}`,
			want: []string{"Error TooMany spec.rules[0].from[0].source.notServiceAccounts"}},
		{name: "serviceAccounts beside namespaces", yaml: `spec: {rules: [{from: [{source: {serviceAccounts: [a/b], notNamespaces: [c]}}]}]}`,
			want: []string{"Error Exclusive spec.rules[0].from[0].source.serviceAccounts"}},
		{name: "ipBlocks", yaml: `spec: {rules: [{from: [{source: {ipBlocks: [10.0.0.0/33, "10.0.0.*", 10.0.0.1-10.0.0.9], notIpBlocks: [x]}}]}]}`,
			want: []string{
				"Error Invalid spec.rules[0].from[0].source.ipBlocks[0]",
				"Error Invalid spec.rules[0].from[0].source.ipBlocks[1]",
				"Error Invalid spec.rules[0].from[0].source.ipBlocks[2]",
				"Error Invalid spec.rules[0].from[0].source.notIpBlocks[0]",
			}},
		{name: "tokens and forwarded addresses", yaml: `
spec: {rules: [{from: [{source: {requestPrincipals: ["*"]}}, {source: {namespaces: [a], notRequestPrincipals: ["*"], remoteIpBlocks: [10.0.0.1], notRemoteIpBlocks: []}}]}]}`,
			want: []string{
				"Error Unsupported spec.rules[0].from[0].source.requestPrincipals",
				"Error Unsupported spec.rules[0].from[1].source.notRequestPrincipals",
				"Error Unsupported spec.rules[0].from[1].source.remoteIpBlocks",
				"Error Unsupported spec.rules[0].from[1].source.notRemoteIpBlocks",
			}, says: "check tokens in the application"},

		{name: "ALLOW that only excludes", yaml: `
spec: {rules: [{from: [{source: {notPrincipals: [corp.example/ns/a/sa/b]}}, {source: {notNamespaces: [a], ipBlocks: [10.0.0.1]}}, {source: {notNamespaces: [a], principals: ["*"]}}, {source: {notIpBlocks: [10.0.0.1]}}]}]}`,
			want: []string{"Warning AdmitsPlaintext spec.rules[0].from[0].source", "Warning AdmitsPlaintext spec.rules[0].from[1].source"},
			says: `principals: ["*"]`},
		{name: "ALLOW that only excludes, in when", yaml: `spec: {rules: [{when: [{key: source.namespace, notValues: [a]}]}]}`,
			want: []string{"Warning AdmitsPlaintext spec.rules[0].when[0]"}},
		{name: "ALLOW that excludes and asks for an identity elsewhere", yaml: `
spec: {rules: [{from: [{source: {notNamespaces: [a]}}], when: [{key: source.principal, values: ["*"]}]}, {from: [{source: {namespaces: [a]}}], when: [{key: source.principal, notValues: ["*/sa/b"]}]}]}`},
		{name: "DENY of peers without identity", yaml: `spec: {action: DENY, rules: [{from: [{source: {notPrincipals: ["*"]}}]}]}`},
	})
}

func TestCheckOperation(t *testing.T) {
	runCheckCases(t, CheckAuthorizationPolicy, []checkCase{
		{name: "to: []", yaml: `spec: {rules: [{to: []}]}`, want: []string{"Error Required spec.rules[0].to"}, says: "anything"},
		{name: "no operation", yaml: `spec: {rules: [{to: [{}]}]}`, want: []string{"Error Required spec.rules[0].to[0].operation"}},
		{name: "empty operation", yaml: `spec: {rules: [{to: [{operation: {}}]}]}`, want: []string{"Error Required spec.rules[0].to[0].operation"}},
		{name: "empty values", yaml: `spec: {rules: [{to: [{operation: {hosts: [""], ports: [""], notMethods: [""], notPaths: [""]}}]}]}`,
			want: []string{
				"Error Invalid spec.rules[0].to[0].operation.hosts[0]",
				"Error Invalid spec.rules[0].to[0].operation.ports[0]",
				"Error Invalid spec.rules[0].to[0].operation.notMethods[0]",
				"Error Invalid spec.rules[0].to[0].operation.notPaths[0]",
			}},
		{name: "ports", yaml: `spec: {rules: [{to: [{operation: {ports: ["65536", "-1", http, "80-90", "0"], notPorts: ["*"]}}]}]}`,
			want: []string{
				"Error Invalid spec.rules[0].to[0].operation.ports[0]",
				"Error Invalid spec.rules[0].to[0].operation.ports[1]",
				"Error Invalid spec.rules[0].to[0].operation.ports[2]",
				"Error Invalid spec.rules[0].to[0].operation.ports[3]",
				"Warning NeverMatches spec.rules[0].to[0].operation.ports[4]",
				"Error Invalid spec.rules[0].to[0].operation.notPorts[0]",
			}},
		{name: "middle wildcards", yaml: `spec: {rules: [{to: [{operation: {hosts: ["a.*.b"], methods: ["G*T"], paths: ["/a/*/b"]}}]}]}`,
			want: []string{
				"Error MiddleWildcard spec.rules[0].to[0].operation.hosts[0]",
				"Error MiddleWildcard spec.rules[0].to[0].operation.methods[0]",
				"Error MiddleWildcard spec.rules[0].to[0].operation.paths[0]",
			}},
		{name: "path templates", yaml: `spec: {rules: [{to: [{operation: {paths: ["/a/{**}/b/{*}", "/a/{x}", "/a/{*}.txt", "/a*/{*}", "/ok/{*}/b/{**}"]}}]}]}`,
			want: []string{
				"Error Invalid spec.rules[0].to[0].operation.paths[0]",
				"Error Invalid spec.rules[0].to[0].operation.paths[1]",
				"Error Invalid spec.rules[0].to[0].operation.paths[2]",
				"Error Invalid spec.rules[0].to[0].operation.paths[3]",
			}},
		{name: "paths that no request has", yaml: `spec: {rules: [{to: [{operation: {paths: [admin, "/a?b", "/a#b", "/a//b", "/a/../b", "/a/.", "/a/", "/a/*", "/.well-known/*", "*.html"]}}]}]}`,
			want: []string{
				"Warning NeverMatches spec.rules[0].to[0].operation.paths[0]",
				"Warning NeverMatches spec.rules[0].to[0].operation.paths[1]",
				"Warning NeverMatches spec.rules[0].to[0].operation.paths[2]",
				"Warning NeverMatches spec.rules[0].to[0].operation.paths[3]",
				"Warning NeverMatches spec.rules[0].to[0].operation.paths[4]",
				"Warning NeverMatches spec.rules[0].to[0].operation.paths[5]",
			}, says: "write /admin"},
		{name: "methods", yaml: `spec: {rules: [{to: [{operation: {methods: [get], notMethods: [post]}}]}]}`,
			want: []string{"Warning NeverMatches spec.rules[0].to[0].operation.methods[0]"}, says: "write GET"},
		{name: "methods of DENY", yaml: `spec: {action: DENY, rules: [{to: [{operation: {ports: ["80"], methods: [get], notMethods: [post]}}]}]}`,
			want: []string{"Warning NeverMatches spec.rules[0].to[0].operation.notMethods[0]"}},
		{name: "URL for a host", yaml: `spec: {rules: [{to: [{operation: {hosts: ["https://a"]}}]}]}`, want: []string{"Warning NeverMatches spec.rules[0].to[0].operation.hosts[0]"}},

		{name: "DENY in HTTP words", yaml: `
spec: {action: DENY, rules: [{to: [{operation: {methods: [GET]}}, {operation: {paths: [/a], ports: ["80"]}}, {operation: {notHosts: [a]}}]}]}`,
			want: []string{"Warning WidensOnTCP spec.rules[0].to[0].operation", "Warning WidensOnTCP spec.rules[0].to[2].operation"}, says: "methods does not exist there: add ports"},
		{name: "DENY by a header", yaml: `spec: {action: DENY, rules: [{when: [{key: "request.headers[a]", values: [b]}]}]}`,
			want: []string{"Warning WidensOnTCP spec.rules[0].when[0]"}},
		{name: "DENY by a header, on ports", yaml: `
spec: {action: DENY, rules: [{to: [{operation: {ports: ["80"]}}], when: [{key: "request.headers[a]", values: [b]}]}, {to: [{operation: {methods: [GET]}}], when: [{key: destination.port, values: ["80"]}]}]}`},
		{name: "ALLOW and AUDIT in HTTP words", yaml: `spec: {action: AUDIT, rules: [{to: [{operation: {methods: [GET]}}]}]}`},
	})
}

func TestCheckCondition(t *testing.T) {
	runCheckCases(t, CheckAuthorizationPolicy, []checkCase{
		{name: "no key", yaml: `spec: {rules: [{when: [{key: "", values: [a]}]}]}`, want: []string{"Error Required spec.rules[0].when[0].key"}},
		{name: "no values", yaml: `spec: {rules: [{when: [{key: source.ip}]}]}`, want: []string{"Error Required spec.rules[0].when[0]"}},
		{name: "null", yaml: `spec: {rules: [{when: [null]}]}`, want: []string{"Error Required spec.rules[0].when[0].key", "Error Required spec.rules[0].when[0]"}},
		{name: "unsupported keys", yaml: `
spec: {rules: [{when: [{key: remote.ip, values: [10.0.0.1]}, {key: request.auth.principal, values: ["*"]}, {key: "request.auth.claims[a][b]", values: [c]}, {key: "experimental.envoy.filters.a[b]", values: [c]}]}]}`,
			want: []string{
				"Error Unsupported spec.rules[0].when[0].key",
				"Error Unsupported spec.rules[0].when[1].key",
				"Error Unsupported spec.rules[0].when[2].key",
				"Error Unsupported spec.rules[0].when[3].key",
			}},
		{name: "unknown keys", yaml: `
spec: {rules: [{when: [{key: source.user, values: [a]}, {key: destination.namespace, values: [a]}, {key: destination.labels, values: [a]}, {key: request.headers, values: [a]}, {key: "request.headers[a", values: [a]}, {key: "request.headers[]", values: [a]}]}]}`,
			want: []string{
				"Error Invalid spec.rules[0].when[0].key",
				"Error Invalid spec.rules[0].when[1].key",
				"Error Invalid spec.rules[0].when[2].key",
				"Error Invalid spec.rules[0].when[3].key",
				"Error Invalid spec.rules[0].when[4].key",
				"Error Invalid spec.rules[0].when[5].key",
			}},
		{name: "values", yaml: `
spec:
  rules:
  - when:
    - {key: source.ip, values: [10.0.0.0/33]}
    - {key: destination.ip, notValues: [x]}
    - {key: destination.port, values: ["65536"]}
    - {key: source.principal, values: ["spiffe://corp.example/ns/a/sa/b"], notValues: ["a*b"]}
    - {key: source.serviceAccount, values: [a/b/c]}
    - {key: source.namespace, values: [""]}
    - {key: source.trustDomain, values: [a/b]}
    - {key: "request.headers[a]", values: [""]}
    - {key: connection.sni, values: ["a*b"]}`,
			want: []string{
				"Error Invalid spec.rules[0].when[0].values[0]",
				"Error Invalid spec.rules[0].when[1].notValues[0]",
				"Error Invalid spec.rules[0].when[2].values[0]",
				"Error PrincipalScheme spec.rules[0].when[3].values[0]",
				"Error MiddleWildcard spec.rules[0].when[3].notValues[0]",
				"Error Invalid spec.rules[0].when[4].values[0]",
				"Error Invalid spec.rules[0].when[5].values[0]",
				"Error Invalid spec.rules[0].when[6].values[0]",
				"Error Invalid spec.rules[0].when[7].values[0]",
				"Error MiddleWildcard spec.rules[0].when[8].values[0]",
			}},
		{name: "suspect values", yaml: `
spec:
  rules:
  - when:
    - {key: source.principal, values: [web]}
    - {key: source.namespace, values: [Prod]}
    - {key: source.serviceAccount, values: [A/b]}
    - {key: source.trustDomain, values: [foreign.example]}
    - {key: destination.port, values: ["0"]}
    - {key: source.ip, values: []}`,
			want: []string{
				"Warning NeverMatches spec.rules[0].when[0].values[0]",
				"Warning NeverMatches spec.rules[0].when[1].values[0]",
				"Warning NeverMatches spec.rules[0].when[2].values[0]",
				"Warning UnknownTrustDomain spec.rules[0].when[3].values[0]",
				"Warning NeverMatches spec.rules[0].when[4].values[0]",
				"Error Required spec.rules[0].when[5]",
			}},
	})
}
