package policy

import (
	"strings"
	"testing"
)

func TestCheckDestinationRule(t *testing.T) {
	long := strings.Repeat("a", 64)
	runCheckCases(t, CheckDestinationRule, []checkCase{
		{name: "host only", yaml: `spec: {host: reviews}`},
		{name: "auto, with exports", yaml: `spec: {host: reviews.prod.svc.cluster.local, exportTo: [".", other]}`},
		{name: "everything that is supported", yaml: `
spec:
  host: "*.prod.svc.cluster.local"
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL, sni: x, subjectAltNames: ["spiffe://corp.example/ns/prod/sa/reviews"]}
    portLevelSettings: [{port: {number: 443}, tls: {mode: DISABLE}}, {port: {number: 444}, tls: {mode: ISTIO_MUTUAL}}]
  exportTo: ["."]
  workloadSelector: {matchLabels: {app: web}}`},

		{name: "no host", yaml: `spec: {}`, want: []string{"Error Required spec.host"}},
		{name: "long host", yaml: `spec: {host: ` + strings.Repeat("a.", 128) + `}`, want: []string{"Error Invalid spec.host"}},
		{name: "long label", yaml: `spec: {host: ` + long + `}`, want: []string{"Error Invalid spec.host"}},
		{name: "label", yaml: `spec: {host: re_views}`, want: []string{"Error Invalid spec.host"}},
		{name: "dashes", yaml: `spec: {host: -reviews}`, want: []string{"Error Invalid spec.host"}},
		{name: "empty label", yaml: `spec: {host: a..b}`, want: []string{"Error Invalid spec.host"}},
		{name: "wildcard in the middle", yaml: `spec: {host: "a.*.svc.cluster.local"}`, want: []string{"Error MiddleWildcard spec.host"}},
		{name: "two wildcards", yaml: `spec: {host: "*.*.svc.cluster.local"}`, want: []string{"Error MiddleWildcard spec.host"}},
		{name: "port", yaml: `spec: {host: "reviews:80"}`, want: []string{"Error Invalid spec.host"}, says: "portLevelSettings"},
		{name: "scheme", yaml: `spec: {host: "https://reviews"}`, want: []string{"Error Invalid spec.host"}},
		{name: "range", yaml: `spec: {host: 10.0.0.0/8}`, want: []string{"Error Invalid spec.host"}},
		{name: "IPv4", yaml: `spec: {host: 10.0.0.1}`},
		{name: "IPv6", yaml: `spec: {host: "2001:db8::1"}`},
		{name: "IPv6 with zone", yaml: `spec: {host: "fe80::1%eth0"}`, want: []string{"Error Invalid spec.host"}},
		{name: "upper case", yaml: `spec: {host: Reviews}`},

		{name: "all hosts", yaml: `spec: {host: "*"}`},
		{name: "all Services", yaml: `spec: {host: "*.local"}`},
		{name: "Services by part of their name", yaml: `spec: {host: "*-v2.prod.svc.cluster.local"}`},
		{name: "name and namespace", yaml: `spec: {host: reviews.prod}`,
			want: []string{"Warning HostNotAddressable spec.host"}, says: "name.namespace.svc.cluster.local"},
		{name: "foreign name", yaml: `spec: {host: www.example.com}`, want: []string{"Warning HostNotAddressable spec.host"}},
		{name: "foreign wildcard", yaml: `spec: {host: "*.example.com"}`, want: []string{"Warning HostNotAddressable spec.host"}},
		{name: "pod of a StatefulSet", yaml: `spec: {host: db-0.db.prod.svc.cluster.local}`, want: []string{"Warning HostNotAddressable spec.host"}},
		{name: "wildcard below a Service", yaml: `spec: {host: "*.db.prod.svc.cluster.local"}`, want: []string{"Warning HostNotAddressable spec.host"}},

		{name: "empty trafficPolicy", yaml: `spec: {host: reviews, trafficPolicy: {}}`, want: []string{"Error Required spec.trafficPolicy"}},
		{name: "traffic settings", yaml: `
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: RANDOM}
    connectionPool: {}
    outlierDetection: {}
    tunnel: {}
    proxyProtocol: {}
    retryBudget: {}
    portLevelSettings: [{port: {number: 80}, loadBalancer: {}, connectionPool: {}, outlierDetection: {}}]`,
			want: []string{
				"Error Unsupported spec.trafficPolicy.loadBalancer",
				"Error Unsupported spec.trafficPolicy.connectionPool",
				"Error Unsupported spec.trafficPolicy.outlierDetection",
				"Error Unsupported spec.trafficPolicy.tunnel",
				"Error Unsupported spec.trafficPolicy.proxyProtocol",
				"Error Unsupported spec.trafficPolicy.retryBudget",
				"Error Unsupported spec.trafficPolicy.portLevelSettings[0].loadBalancer",
				"Error Unsupported spec.trafficPolicy.portLevelSettings[0].connectionPool",
				"Error Unsupported spec.trafficPolicy.portLevelSettings[0].outlierDetection",
			}, says: "remove the field"},
		{name: "ports", yaml: `
spec:
  host: reviews
  trafficPolicy:
    portLevelSettings:
    - tls: {mode: DISABLE}
    - {port: {number: 0}, tls: {mode: DISABLE}}
    - {port: {number: 65536}, tls: {mode: DISABLE}}
    - {port: {number: 80}}
    - {port: {number: 80}, tls: {mode: DISABLE}}
    - null`,
			want: []string{
				"Error Required spec.trafficPolicy.portLevelSettings[0].port",
				"Error Invalid spec.trafficPolicy.portLevelSettings[1].port.number",
				"Error Invalid spec.trafficPolicy.portLevelSettings[2].port.number",
				"Error Required spec.trafficPolicy.portLevelSettings[3]",
				"Error Duplicate spec.trafficPolicy.portLevelSettings[4].port.number",
				"Error Required spec.trafficPolicy.portLevelSettings[5].port",
				"Error Required spec.trafficPolicy.portLevelSettings[5]",
			}},

		{name: "subsets", yaml: `
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v1, labels: {version: "v*"}, trafficPolicy: {}}
  - {name: V3, trafficPolicy: {tls: {}, loadBalancer: {}}}
  - null`,
			want: []string{
				"Warning SubsetNeverSelected spec.subsets[0]",
				"Error Duplicate spec.subsets[1].name",
				"Error Invalid spec.subsets[1].labels[version]",
				"Error Required spec.subsets[1].trafficPolicy",
				"Warning SubsetNeverSelected spec.subsets[1]",
				"Error Invalid spec.subsets[2].name",
				"Error Unsupported spec.subsets[2].trafficPolicy.loadBalancer",
				"Error TLSModeRequired spec.subsets[2].trafficPolicy.tls.mode",
				"Warning SubsetNeverSelected spec.subsets[2]",
				"Error Required spec.subsets[3].name",
				"Warning SubsetNeverSelected spec.subsets[3]",
			}},

		{name: "exportTo: all and others", yaml: `spec: {host: reviews, exportTo: ["*", other]}`, want: []string{"Error Exclusive spec.exportTo[0]"}},
		{name: "exportTo: nobody", yaml: `spec: {host: reviews, exportTo: ["~"]}`, want: []string{"Error Unsupported spec.exportTo[0]"}},
		{name: "exportTo: twice", yaml: `spec: {host: reviews, exportTo: [other, other]}`, want: []string{"Error Duplicate spec.exportTo[1]"}},
		{name: "exportTo: own namespace twice", yaml: `spec: {host: reviews, exportTo: [".", prod]}`, want: []string{"Error Duplicate spec.exportTo[1]"}},
		{name: "exportTo: no namespaces", yaml: `spec: {host: reviews, exportTo: [Other, "a*", ""]}`,
			want: []string{"Error Invalid spec.exportTo[0]", "Error Invalid spec.exportTo[1]", "Error Invalid spec.exportTo[2]"}},
		{name: "workloadSelector exported to its own", yaml: `
spec: {host: reviews, workloadSelector: {matchLabels: {app: web}}, exportTo: [prod]}`},
		{name: "workloadSelector exported", yaml: `
spec: {host: reviews, workloadSelector: {matchLabels: {app: web}}, exportTo: ["*"]}`,
			want: []string{"Error Exclusive spec.exportTo[0]"}},
		{name: "empty workloadSelector", yaml: `spec: {host: reviews, workloadSelector: {}}`,
			want: []string{"Warning EmptySelector spec.workloadSelector"}},
		{name: "dry run", yaml: `
metadata: {name: it, namespace: prod, annotations: {istio.io/dry-run: "true"}}
spec: {host: reviews}`,
			want: []string{"Error DryRun metadata.annotations[istio.io/dry-run]"}},
	})
}

// TestCheckClientTLS writes the settings at spec.trafficPolicy.tls.
func TestCheckClientTLS(t *testing.T) {
	const (
		volume = "/var/run/secrets/warifu.dev/volumes/db"
		files  = "clientCertificate: " + volume + "/tls.crt, privateKey: " + volume + "/tls.key"
		ca     = "caCertificates: " + volume + "/ca.crt"
	)
	cases := []checkCase{
		{name: "ISTIO_MUTUAL", yaml: `{mode: ISTIO_MUTUAL}`},
		{name: "DISABLE", yaml: `{mode: DISABLE}`},
		{name: "SIMPLE", yaml: `{mode: SIMPLE, caCrl: ` + volume + `/crl, ` + ca + `, sni: db, subjectAltNames: [db.example.com]}`},
		{name: "MUTUAL", yaml: `{mode: MUTUAL, ` + files + `, ` + ca + `}`},
		{name: "skipping explicitly not", yaml: `{mode: SIMPLE, insecureSkipVerify: false, ` + ca + `}`},

		{name: "empty", yaml: `{}`, want: []string{"Error TLSModeRequired mode"}, says: "Istio reads a tls without one as DISABLE, which is plaintext"},
		{name: "no mode", yaml: `{sni: x}`, want: []string{"Error TLSModeRequired mode"}},
		{name: "unknown mode", yaml: `{mode: STRICT}`, want: []string{"Error Invalid mode"}},
		{name: "MUTUAL without files", yaml: `{mode: MUTUAL, ` + ca + `}`,
			want: []string{"Error Required clientCertificate", "Error Required privateKey"}, says: "ISTIO_MUTUAL"},
		{name: "MUTUAL without key", yaml: `{mode: MUTUAL, ` + ca + `, clientCertificate: ` + volume + `/tls.crt}`, want: []string{"Error Required privateKey"}},
		{name: "MUTUAL without CA", yaml: `{mode: MUTUAL, ` + files + `}`, want: []string{"Warning NoTrustMaterial caCertificates"}},
		{name: "SIMPLE without CA", yaml: `{mode: SIMPLE}`, want: []string{"Warning NoTrustMaterial caCertificates"}, says: "will refuse the connections"},
		{name: "SIMPLE with a client certificate", yaml: `{mode: SIMPLE, ` + files + `, ` + ca + `}`,
			want: []string{"Warning NoEffect clientCertificate", "Warning NoEffect privateKey"}},
		{name: "SIMPLE, no verification", yaml: `{mode: SIMPLE, insecureSkipVerify: true}`, want: []string{"Warning VerificationOff insecureSkipVerify"}},
		{name: "SIMPLE, no verification of anything", yaml: `{mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [x], ` + ca + `}`,
			want: []string{"Error Exclusive caCertificates", "Error Exclusive subjectAltNames"}},
		{name: "SIMPLE, no verification of what was revoked", yaml: `{mode: SIMPLE, insecureSkipVerify: true, caCrl: ` + volume + `/crl}`,
			want: []string{"Error Exclusive caCrl"}, says: "insecureSkipVerify turns off what this field asks for: remove one of them"},
		{name: "MUTUAL, no verification of what was revoked", yaml: `{mode: MUTUAL, insecureSkipVerify: true, ` + files + `, caCrl: ` + volume + `/crl}`,
			want: []string{"Error Exclusive caCrl"}},
		{name: "MUTUAL, no verification", yaml: `{mode: MUTUAL, insecureSkipVerify: true, ` + files + `}`, want: []string{"Warning VerificationOff insecureSkipVerify"}},
		{name: "MUTUAL, no verification of anything", yaml: `{mode: MUTUAL, insecureSkipVerify: true, ` + files + `, subjectAltNames: [x], ` + ca + `}`,
			want: []string{"Error Exclusive caCertificates", "Error Exclusive subjectAltNames"}},
		{name: "ISTIO_MUTUAL, no verification", yaml: `{mode: ISTIO_MUTUAL, insecureSkipVerify: true}`, want: []string{"Error Unsupported insecureSkipVerify"}},
		{name: "ISTIO_MUTUAL with files", yaml: `{mode: ISTIO_MUTUAL, ` + files + `, ` + ca + `, caCrl: x, credentialName: y}`,
			want: []string{"Warning NoEffect clientCertificate", "Warning NoEffect privateKey", "Warning NoEffect caCertificates", "Warning NoEffect caCrl", "Warning NoEffect credentialName"}},
		{name: "ISTIO_MUTUAL with a DNS name", yaml: `{mode: ISTIO_MUTUAL, subjectAltNames: [reviews.prod]}`, want: []string{"Warning NeverMatches subjectAltNames[0]"}},
		{name: "DISABLE with settings", yaml: `{mode: DISABLE, sni: x, subjectAltNames: [x], insecureSkipVerify: true}`,
			want: []string{"Warning NoEffect subjectAltNames", "Warning NoEffect sni", "Warning NoEffect insecureSkipVerify"}},
		{name: "empty name", yaml: `{mode: SIMPLE, ` + ca + `, subjectAltNames: [x, ""]}`, want: []string{"Error Invalid subjectAltNames[1]"}},

		{name: "credentialName without workloadSelector", yaml: `{mode: SIMPLE, credentialName: db}`,
			want: []string{"Error SelectorRequired credentialName"}, says: "needs a workloadSelector"},
		{name: "credentialName and files", yaml: `{mode: MUTUAL, credentialName: db, caCrl: ` + volume + `/crl, ` + files + `, ` + ca + `}`,
			want: []string{
				"Error Exclusive clientCertificate", "Error Exclusive privateKey", "Error Exclusive caCertificates", "Error Exclusive caCrl",
				"Error SelectorRequired credentialName",
			}},
		{name: "credentialName of another kind", yaml: `{mode: SIMPLE, credentialName: "configmap://other/db"}`,
			want: []string{"Error Invalid credentialName", "Error SelectorRequired credentialName"}},
		{name: "credentialName, no verification", yaml: `{mode: SIMPLE, insecureSkipVerify: true, credentialName: db}`,
			want: []string{"Error SelectorRequired credentialName", "Error Exclusive credentialName"}},

		{name: "file elsewhere", yaml: `{mode: SIMPLE, caCertificates: /etc/ssl/ca.crt}`, want: []string{"Warning FileOutsideVolumes caCertificates"}, says: "warifu.dev/proxy-volumes"},
		{name: "relative file", yaml: `{mode: SIMPLE, caCertificates: ca.crt}`, want: []string{"Error Invalid caCertificates"}},
		{name: "file that climbs", yaml: `{mode: SIMPLE, caCertificates: ` + volume + `/../../tls/ca.crt}`, want: []string{"Error Invalid caCertificates"}},
		{name: "volume instead of file", yaml: `{mode: SIMPLE, caCertificates: ` + volume + `}`, want: []string{"Error Invalid caCertificates"}},
		{name: "the workload's own key", yaml: `{mode: MUTUAL, clientCertificate: /var/run/secrets/warifu.dev/tls/tls.crt, privateKey: /var/run/secrets/warifu.dev/tls/tls.key, ` + ca + `}`,
			want: []string{"Error Invalid clientCertificate", "Error Invalid privateKey"}, says: "write mode ISTIO_MUTUAL"},
	}
	for i := range cases {
		cases[i].yaml = "spec: {host: db, trafficPolicy: {tls: " + cases[i].yaml + "}}"
		for j, want := range cases[i].want {
			at := strings.LastIndexByte(want, ' ') + 1
			cases[i].want[j] = want[:at] + "spec.trafficPolicy.tls." + want[at:]
		}
	}
	runCheckCases(t, CheckDestinationRule, append(cases,
		checkCase{name: "credentialName with workloadSelector", yaml: `
spec: {host: db, workloadSelector: {matchLabels: {app: web}}, trafficPolicy: {tls: {mode: MUTUAL, credentialName: db}}}`},
		checkCase{name: "credentialName with workloadSelector, no verification", yaml: `
spec: {host: db, workloadSelector: {matchLabels: {app: web}}, trafficPolicy: {tls: {mode: MUTUAL, credentialName: db, insecureSkipVerify: true}}}`,
			want: []string{"Warning VerificationOff spec.trafficPolicy.tls.insecureSkipVerify"}},
		checkCase{name: "credentialName with an empty workloadSelector", yaml: `
spec: {host: db, workloadSelector: {}, trafficPolicy: {tls: {mode: MUTUAL, credentialName: db}}}`,
			want: []string{"Error SelectorRequired spec.trafficPolicy.tls.credentialName", "Warning EmptySelector spec.workloadSelector"}},
	))
}
