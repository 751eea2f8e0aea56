package crd

import (
	"testing"

	"github.com/warifu/warifu/api/v1alpha1"
)

func TestDestinationRule(t *testing.T) {
	runCases(t, v1alpha1.KindDestinationRule, []objectCase{
		{name: "host only", yaml: `spec: {host: reviews}`},
		{name: "all hosts", yaml: `spec: {host: "*"}`},
		{name: "wildcard", yaml: `spec: {host: "*.prod.svc.cluster.local"}`},
		{name: "IPv6", yaml: `spec: {host: "2001:db8::1"}`},
		{name: "export to its own", yaml: `spec: {host: reviews, exportTo: ["."], workloadSelector: {matchLabels: {app: web}}}`},
		{name: "export to all", yaml: `spec: {host: reviews, exportTo: ["*"]}`},
		{name: "ports", yaml: `spec: {host: reviews, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: DISABLE}}]}}`},

		{name: "no spec", yaml: `{}`, refused: "spec: Required value"},
		{name: "no host", yaml: `spec: {}`, refused: "spec.host: Required value"},
		{name: "empty host", yaml: `spec: {host: ""}`, refused: "spec.host"},
		{name: "wildcard inside", yaml: `spec: {host: "a.*.local"}`, refused: "a host has at most one '*', at its beginning"},
		{name: "two wildcards", yaml: `spec: {host: "*.*.local"}`, refused: "a host has at most one '*', at its beginning"},
		{name: "port", yaml: `spec: {host: "reviews:80"}`, refused: "a port belongs in trafficPolicy.portLevelSettings"},
		{name: "scheme", yaml: `spec: {host: "https://reviews"}`, refused: "no scheme and no path"},
		{name: "export to all and more", yaml: `spec: {host: reviews, exportTo: ["*", other]}`, refused: "'*' already means every namespace: list it alone"},
		{name: "export to nobody", yaml: `spec: {host: reviews, exportTo: ["~"]}`, refused: "'~' exports a rule to nobody: remove the rule instead"},
		{name: "export twice", yaml: `spec: {host: reviews, exportTo: [other, other]}`, refused: "spec.exportTo[1]: Duplicate value"},
		{name: "workloadSelector exported", yaml: `spec: {host: reviews, exportTo: ["*"], workloadSelector: {matchLabels: {app: web}}}`,
			refused: "spec.exportTo: Invalid value: a rule with a workloadSelector holds for its own namespace only: remove exportTo, or write exportTo: ['.']"},

		{name: "empty trafficPolicy", yaml: `spec: {host: reviews, trafficPolicy: {}}`, refused: "trafficPolicy sets nothing: set tls or portLevelSettings, or remove it"},
		{name: "loadBalancer", yaml: `spec: {host: reviews, trafficPolicy: {tls: {mode: DISABLE}, loadBalancer: {simple: RANDOM}}}`,
			refused: "spec.trafficPolicy.loadBalancer: Invalid value: loadBalancer is not supported"},
		{name: "connectionPool", yaml: `spec: {host: reviews, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}}`, refused: "connectionPool is not supported"},
		{name: "outlierDetection", yaml: `spec: {host: reviews, trafficPolicy: {outlierDetection: {}}}`, refused: "outlierDetection is not supported"},
		{name: "tunnel", yaml: `spec: {host: reviews, trafficPolicy: {tunnel: {targetHost: a, targetPort: 1}}}`, refused: "tunnel is not supported"},
		{name: "proxyProtocol", yaml: `spec: {host: reviews, trafficPolicy: {proxyProtocol: {version: V1}}}`, refused: "proxyProtocol is not supported"},
		{name: "retryBudget", yaml: `spec: {host: reviews, trafficPolicy: {retryBudget: {percent: 10.5}}}`, refused: "retryBudget is not supported"},
		{name: "port without number", yaml: `spec: {host: reviews, trafficPolicy: {portLevelSettings: [{tls: {mode: DISABLE}}]}}`,
			refused: "spec.trafficPolicy.portLevelSettings[0].port: Required value"},
		{name: "port 0", yaml: `spec: {host: reviews, trafficPolicy: {portLevelSettings: [{port: {number: 0}, tls: {mode: DISABLE}}]}}`,
			refused: "spec.trafficPolicy.portLevelSettings[0].port.number"},
		{name: "port that sets nothing", yaml: `spec: {host: reviews, trafficPolicy: {portLevelSettings: [{port: {number: 80}}]}}`,
			refused: "the entry sets nothing: set tls, or remove the entry"},
		{name: "port with a load balancer", yaml: `spec: {host: reviews, trafficPolicy: {portLevelSettings: [{port: {number: 80}, loadBalancer: {}}]}}`,
			refused: "loadBalancer is not supported"},

		{name: "subset without name", yaml: `spec: {host: reviews, subsets: [{labels: {a: b}}]}`, refused: "spec.subsets[0].name: Required value"},
		{name: "subset with a bad name", yaml: `spec: {host: reviews, subsets: [{name: V_1}]}`, refused: "spec.subsets[0].name"},
		{name: "subset twice", yaml: `spec: {host: reviews, subsets: [{name: v1}, {name: v1}]}`, refused: "spec.subsets[1]: Duplicate value"},
		{name: "subset with an empty tls", yaml: `spec: {host: reviews, subsets: [{name: v1, trafficPolicy: {tls: {}}}]}`, refused: "tls needs a mode"},
		{name: "null subset", yaml: `spec: {host: reviews, subsets: [null]}`, refused: "spec.subsets[0]"},
	})
}

// TestClientTLS writes the settings at all four places where they may stand.
func TestClientTLS(t *testing.T) {
	const files = "clientCertificate: /c/tls.crt, privateKey: /c/tls.key"
	cases := []objectCase{
		{name: "ISTIO_MUTUAL", yaml: `{mode: ISTIO_MUTUAL, sni: x, subjectAltNames: ["spiffe://a/ns/b/sa/c"]}`},
		{name: "SIMPLE", yaml: `{mode: SIMPLE, caCertificates: /c/ca.crt, caCrl: /c/crl}`},
		{name: "MUTUAL", yaml: `{mode: MUTUAL, ` + files + `}`},
		{name: "unverified SIMPLE", yaml: `{mode: SIMPLE, insecureSkipVerify: true}`},
		{name: "unverified MUTUAL", yaml: `{mode: MUTUAL, insecureSkipVerify: true, ` + files + `}`},
		{name: "empty", yaml: `{}`, refused: "tls needs a mode: Istio reads a tls without one as DISABLE, which is plaintext; write ISTIO_MUTUAL, MUTUAL, SIMPLE or, if plaintext is meant, DISABLE"},
		{name: "without mode", yaml: `{sni: x}`, refused: "tls needs a mode"},
		{name: "unknown mode", yaml: `{mode: mutual}`, refused: "tls.mode: Unsupported value"},
		{name: "MUTUAL without files", yaml: `{mode: MUTUAL}`, refused: "MUTUAL needs clientCertificate and privateKey, or credentialName; with the workload's own certificate the mode is ISTIO_MUTUAL"},
		{name: "MUTUAL without key", yaml: `{mode: MUTUAL, clientCertificate: /c/tls.crt}`, refused: "MUTUAL needs clientCertificate and privateKey"},
		{name: "credentialName and file", yaml: `{mode: MUTUAL, credentialName: db, caCertificates: /c/ca.crt}`, refused: "use the Secret or the files, not both"},
		{name: "unverified SIMPLE with CA", yaml: `{mode: SIMPLE, insecureSkipVerify: true, caCertificates: /c/ca.crt}`, refused: "insecureSkipVerify turns off what"},
		{name: "unverified SIMPLE with CRL", yaml: `{mode: SIMPLE, insecureSkipVerify: true, caCrl: /c/crl}`, refused: "insecureSkipVerify turns off what"},
		{name: "unverified MUTUAL with CRL", yaml: `{mode: MUTUAL, insecureSkipVerify: true, caCrl: /c/crl, ` + files + `}`, refused: "insecureSkipVerify turns off what"},
		{name: "unverified SIMPLE with credentialName", yaml: `{mode: SIMPLE, insecureSkipVerify: true, credentialName: db}`, refused: "insecureSkipVerify turns off what"},
		{name: "unverified MUTUAL with names", yaml: `{mode: MUTUAL, insecureSkipVerify: true, subjectAltNames: [x], ` + files + `}`, refused: "insecureSkipVerify turns off what"},
		{name: "unverified ISTIO_MUTUAL", yaml: `{mode: ISTIO_MUTUAL, insecureSkipVerify: true}`, refused: "insecureSkipVerify is not supported with ISTIO_MUTUAL"},
		{name: "empty name", yaml: `{mode: SIMPLE, subjectAltNames: [""]}`, refused: "subjectAltNames[0]"},
	}
	places := map[string][2]string{
		"rule":           {`spec: {host: db, trafficPolicy: {tls: `, `}}`},
		"port":           {`spec: {host: db, trafficPolicy: {portLevelSettings: [{port: {number: 1}, tls: `, `}]}}`},
		"subset":         {`spec: {host: db, subsets: [{name: a, trafficPolicy: {tls: `, `}}]}`},
		"port of subset": {`spec: {host: db, subsets: [{name: a, trafficPolicy: {portLevelSettings: [{port: {number: 1}, tls: `, `}]}}]}`},
	}
	for place, around := range places {
		t.Run(place, func(t *testing.T) {
			there := make([]objectCase, len(cases))
			for i, tc := range cases {
				there[i] = objectCase{name: tc.name, yaml: around[0] + tc.yaml + around[1], refused: tc.refused}
			}
			runCases(t, v1alpha1.KindDestinationRule, there)
		})
	}
	const needsSelector = "credentialName needs a workloadSelector: the Secret is read in the client's namespace, so say which of this namespace's pods use it"
	runCases(t, v1alpha1.KindDestinationRule, []objectCase{
		{name: "credentialName", yaml: `spec: {host: db, workloadSelector: {matchLabels: {a: b}}, trafficPolicy: {tls: {mode: MUTUAL, credentialName: db}}}`},
		{name: "credentialName without workloadSelector", yaml: `spec: {host: db, trafficPolicy: {tls: {mode: SIMPLE, credentialName: db}}}`, refused: needsSelector},
		{name: "credentialName of a port without workloadSelector", refused: needsSelector,
			yaml: `spec: {host: db, trafficPolicy: {portLevelSettings: [{port: {number: 1}, tls: {mode: SIMPLE, credentialName: db}}]}}`},
	})
}
