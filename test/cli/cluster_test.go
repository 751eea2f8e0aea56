// Package cli_test asks the command line about a real API server.
package cli_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/cli"
	"github.com/warifu/warifu/internal/cli/explain"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

func run(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, stderr bytes.Buffer
	if got := cli.Run("warifu", args, strings.NewReader(""), &out, &stderr); got != code {
		t.Fatalf("exit code %d, want %d: %s%s", got, code, out.String(), stderr.String())
	}
	return out.String()
}

// TestCluster: without -f the objects are the cluster's. Its pods have uids, so what counts is the proxy container that they
// really have.
func TestCluster(t *testing.T) {
	c := cluster.Require(t)
	ns := c.Namespace(t, map[string]string{naming.LabelInjection: naming.InjectionEnabled})
	manifest := `
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  initContainers: [{name: warifu-redirect, image: x}, {name: warifu-proxy, image: x, restartPolicy: Always}]
  containers: [{name: app, image: x, ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {app: bare}}
spec:
  containers: [{name: app, image: x, ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: warifu.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: strict}
spec: {mtls: {mode: STRICT}}
`
	if out, err := c.Kubectl(t.Context(), manifest, "apply", "--namespace", ns, "-f", "-"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, tc := range []struct {
		to       string
		enforced bool
		outcome  explain.Outcome
	}{
		{"/server", true, explain.Refused},
		{"/server:80", true, explain.Refused},
		{"/bare", false, explain.Plaintext},
	} {
		var a explain.Answer
		if err := json.Unmarshal([]byte(run(t, 0, "explain", "--kubeconfig", c.Kubeconfig, "--to", ns+tc.to, "--from=none", "-o=json")), &a); err != nil {
			t.Fatal(err)
		}
		if a.Inbound.Enforced != tc.enforced || a.Transport.Outcome != tc.outcome || a.Inbound.DecidedBy == nil || a.Inbound.DecidedBy.Name != "strict" {
			t.Errorf("%s: %+v", tc.to, a)
		}
	}
	var findings []policy.Finding
	if err := json.Unmarshal([]byte(run(t, 0, "validate", "--kubeconfig", c.Kubeconfig, "-o=json")), &findings); err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Object.Namespace == ns && strings.Contains(f.Message, ns+"/bare") {
			return
		}
	}
	t.Errorf("validate does not say that nothing enforces STRICT for %s/bare: %+v", ns, findings)
}
