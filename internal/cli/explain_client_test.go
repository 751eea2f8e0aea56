package cli

import (
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/cli/explain"
)

// TestExplainWhatAProxyLacks: a proxy refuses to begin TLS for which it has no trust material, before anything is sent.
func TestExplainWhatAProxyLacks(t *testing.T) {
	const files = "/var/run/secrets/warifu.dev/volumes/x/"
	const unlisted = "/var/run/secrets/warifu.dev/volumes/y/"
	for _, tc := range []struct{ name, tls, refused string }{
		{"SIMPLE without CA", "{mode: SIMPLE}", "never takes the system's: write caCertificates"},
		{"MUTUAL without CA", "{mode: MUTUAL, clientCertificate: " + files + "crt, privateKey: " + files + "key}", "never takes the system's"},
		{"SIMPLE, unverified", "{mode: SIMPLE, insecureSkipVerify: true}", ""},
		{"SIMPLE with CA", "{mode: SIMPLE, caCertificates: " + files + "ca}", ""},
		{"a CA elsewhere", "{mode: SIMPLE, caCertificates: /etc/ssl/ca.pem}", "no file outside /var/run/secrets/warifu.dev/volumes, and the rule names /etc/ssl/ca.pem"},
		{"a CA in a volume that is not shown", "{mode: SIMPLE, caCertificates: " + unlisted + "ca}", `does not list volume "y" in its annotation warifu.dev/proxy-volumes`},
		{"a CRL in a volume that is not shown", "{mode: SIMPLE, caCertificates: " + files + "ca, caCrl: " + unlisted + "crl}", "crl"},
		{"a key elsewhere", "{mode: MUTUAL, caCertificates: " + files + "ca, clientCertificate: " + files + "crt, privateKey: /key}", "/key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, mode := range []string{"STRICT", "DISABLE", "not proxied"} {
				manifest, from := matrixWorld(mode, "tcp", "auto")
				manifest += "---\napiVersion: warifu.dev/v1alpha1\nkind: DestinationRule\nmetadata: {name: r, namespace: s}\nspec: {host: s, trafficPolicy: {tls: " + tc.tls + "}}\n"
				a := answer(t, manifest, append([]string{"-f", "-", "--to=s/s:80"}, from...)...)
				lacks := strings.Contains(a.Transport.Reason, "the proxy of Pod c/client refuses to begin")
				if lacks != (tc.refused != "") || !strings.Contains(a.Transport.Reason, tc.refused) {
					t.Errorf("%s: %s", mode, a.Transport.Reason)
				}
				if lacks && (a.Transport.Outcome != explain.Refused || a.Allowed || a.Authorization.Allowed || !strings.HasPrefix(a.Authorization.Reason, "NotReached")) {
					t.Errorf("%s: got %+v", mode, a)
				}
			}
		})
	}
}

// TestExplainAsksNoProxy: what a proxy lacks is nothing to a client that none guides, or that is made to send plaintext.
func TestExplainAsksNoProxy(t *testing.T) {
	manifest, _ := matrixWorld("PERMISSIVE", "tcp", "auto")
	manifest += "---\napiVersion: warifu.dev/v1alpha1\nkind: DestinationRule\nmetadata: {name: r, namespace: s}\nspec: {host: s, trafficPolicy: {tls: {mode: SIMPLE}}}\n"
	without := strings.Replace(manifest, "annotations: {warifu.dev/proxy-volumes: x}", "labels: {warifu.dev/inject: 'false'}", 1)
	for name, a := range map[string]explain.Answer{
		"plaintext": answer(t, manifest, "-f", "-", "--to=s/s:80", "--from=c/client", "--plaintext"),
		"no proxy":  answer(t, without, "-f", "-", "--to=s/s:80", "--from=c/client"),
	} {
		if a.Transport.Outcome != explain.Plaintext || !a.Allowed {
			t.Errorf("%s: got %+v", name, a)
		}
	}
}

// TestExplainEndpoints: which of the pods behind a Service answers a client is what the client's proxy is told, and where it
// is told of none the connection is refused.
func TestExplainEndpoints(t *testing.T) {
	const cluster = `
apiVersion: v1
kind: Namespace
metadata: {name: s, labels: {warifu.dev/injection: enabled}}
---
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: z1}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: s, labels: {app: s}}
spec: {nodeName: n2, containers: [{name: c, image: c}]}
status: {podIP: 10.5.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: s, labels: {app: s}}
spec: {nodeName: n1, containers: [{name: c, image: c}]}
status: {podIP: 10.5.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: near, namespace: s}
spec: {nodeName: n1, containers: [{name: c, image: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far, namespace: s}
spec: {nodeName: n3, containers: [{name: c, image: c}]}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: s}
spec: {clusterIP: 10.9.0.1, POLICY selector: {app: s}, ports: [{name: tcp, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, namespace: s, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
ports: [{name: tcp, port: 8080}]
endpoints:
- {addresses: [10.5.0.1], nodeName: n2, conditions: {ready: READY}, hints: {forZones: [{name: z2}]}, targetRef: {kind: Pod, name: a, namespace: s}}
- {addresses: [10.5.0.2], nodeName: n1, conditions: {ready: READY}, hints: {forZones: [{name: z1}]}, targetRef: {kind: Pod, name: b, namespace: s}}
`
	for _, tc := range []struct{ name, from, policy, ready, want string }{
		{"in the client's zone", "near", "", "true", "port 8080 of Pod s/b accepts it"},
		{"no hint is for it", "far", "", "true", "port 8080 of Pod s/a accepts it"},
		{"local", "near", "internalTrafficPolicy: Local,", "true", "port 8080 of Pod s/b accepts it"},
		{"none is local", "far", "internalTrafficPolicy: Local,", "true", "Service s/s has no endpoint that may be used from there now"},
		{"none is ready", "near", "", "false", "Service s/s has no endpoint that may be used from there now"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			manifest := strings.NewReplacer("POLICY", tc.policy, "READY", tc.ready).Replace(cluster)
			a := answer(t, manifest, "-f", "-", "--to=s/s:80", "--from=s/"+tc.from)
			if !strings.Contains(a.Transport.Reason, tc.want) || a.Allowed != strings.Contains(tc.want, "accepts") {
				t.Errorf("got %+v", a)
			}
		})
	}
}

// TestExplainUndeclaredHTTP: on a port that no Service declares HTTP a request is bytes, and rules about requests hold as
// they hold for bytes.
func TestExplainUndeclaredHTTP(t *testing.T) {
	for port, allowed := range map[string]bool{"tcp": false, "http": true} {
		manifest, from := matrixWorld("STRICT", port, "auto")
		manifest += "---\napiVersion: warifu.dev/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {name: get, namespace: s}\nspec: {rules: [{to: [{operation: {methods: [GET]}}]}]}\n"
		if a := answer(t, manifest, append([]string{"-f", "-", "--to=s/server:8080", "--method=GET"}, from...)...); a.Allowed != allowed {
			t.Errorf("%s: got %+v", port, a)
		}
	}
}
