package cli

import (
	"testing"

	"github.com/warifu/warifu/internal/cli/explain"
)

// TestModeMatrix asks about every server mode and every way a client can begin, on a TCP port and on one declared HTTP.
func TestModeMatrix(t *testing.T) {
	clients := []string{"none", "auto", "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL", "plaintext", "identity", "foreign"}
	for _, row := range []struct {
		server, port string
		want         []string // for each client; p plaintext, t TLS, m mutual TLS, - refused
	}{
		{"STRICT", "tcp", []string{"-", "m", "-", "-", "-", "m", "-", "m", "-"}},
		{"STRICT", "http", []string{"-", "m", "-", "-", "-", "m", "-", "m", "-"}},
		{"PERMISSIVE", "tcp", []string{"p", "m", "p", "t", "t", "m", "p", "m", "-"}},
		{"PERMISSIVE", "http", []string{"p", "m", "p", "-", "-", "m", "p", "m", "-"}},
		{"DISABLE", "tcp", []string{"p", "p", "p", "t", "t", "-", "p", "p", "p"}},
		{"DISABLE", "http", []string{"p", "p", "p", "-", "-", "-", "p", "p", "p"}},
		{"not proxied", "tcp", []string{"p", "p", "p", "t", "t", "-", "p", "p", "p"}},
		{"not proxied", "http", []string{"p", "p", "p", "t", "t", "-", "p", "p", "p"}},
		{"data plane none", "tcp", []string{"p", "p", "p", "t", "t", "m", "p", "p", "p"}},
	} {
		for i, client := range clients {
			t.Run(row.server+" "+row.port+"/"+client, func(t *testing.T) {
				manifest, from := matrixWorld(row.server, row.port, client)
				a := answer(t, manifest, append([]string{"-f", "-", "--to=s/server:8080"}, from...)...)
				outcomes := map[string]explain.Outcome{"p": explain.Plaintext, "t": explain.TLS, "m": explain.MTLS, "-": explain.Refused}
				if want := outcomes[row.want[i]]; a.Transport.Outcome != want {
					t.Errorf("outcome %s, want %s: %s", a.Transport.Outcome, want, a.Transport.Reason)
				}
				if a.Allowed != (a.Transport.Outcome != explain.Refused) {
					t.Errorf("allowed is %t after %s, without any authorization policy", a.Allowed, a.Transport.Outcome)
				}
				if a.Transport.Reason == "" || a.Authorization.Reason == "" {
					t.Errorf("an answer without a reason: %+v", a)
				}
			})
		}
	}
}

// matrixWorld is a server, a client and a Service between them, and the arguments that say who asks.
func matrixWorld(server, port, client string) (manifest string, from []string) {
	label, mode := "enabled", server
	switch server {
	case "not proxied":
		label, mode = "disabled", "STRICT"
	case "data plane none":
		label, mode = "enabled, warifu.dev/dataplane: none", "STRICT"
	}
	manifest = `
apiVersion: v1
kind: Namespace
metadata: {name: s, labels: {warifu.dev/injection: ` + label + `}}
---
apiVersion: v1
kind: Namespace
metadata: {name: c, labels: {warifu.dev/injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: server, namespace: s, labels: {app: s}}
spec: {containers: [{name: s, image: s, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: c, annotations: {warifu.dev/proxy-volumes: x}}
spec: {containers: [{name: c, image: c}], volumes: [{name: x, emptyDir: {}}]}
---
apiVersion: v1
kind: Service
metadata: {name: s, namespace: s}
spec: {selector: {app: s}, ports: [{name: ` + port + `, port: 80, targetPort: 8080}]}
---
apiVersion: warifu.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: mode, namespace: s}
spec: {mtls: {mode: ` + mode + `}}
`
	rule := func(tls string) {
		manifest += "---\napiVersion: warifu.dev/v1alpha1\nkind: DestinationRule\nmetadata: {name: r, namespace: s}\n" +
			"spec: {host: s, trafficPolicy: {tls: " + tls + "}}\n"
	}
	const files = "/var/run/secrets/warifu.dev/volumes/x/"
	switch client {
	case "none":
		return manifest, []string{"--from=none"}
	case "plaintext":
		return manifest, []string{"--from=c/client", "--plaintext"}
	case "identity":
		return manifest, []string{"--from-identity=spiffe://cluster.local/ns/c/sa/default"}
	case "foreign":
		return manifest, []string{"--from-identity=spiffe://elsewhere.org/ns/c/sa/default"}
	case "MUTUAL":
		rule("{mode: MUTUAL, clientCertificate: " + files + "crt, privateKey: " + files + "key, caCertificates: " + files + "ca}")
	case "SIMPLE":
		rule("{mode: SIMPLE, caCertificates: " + files + "ca}")
	case "DISABLE", "ISTIO_MUTUAL":
		rule("{mode: " + client + "}")
	}
	return manifest, []string{"--from=c/client"}
}
