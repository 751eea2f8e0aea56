package crd

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// TestKubectl: what a person types. YAML has integers for keys where JSON has strings.
func TestKubectl(t *testing.T) {
	c := cluster.Require(t)
	namespace := c.Namespace(t, nil)
	kubectl := func(stdin string, args ...string) string {
		t.Helper()
		out, err := c.Kubectl(t.Context(), stdin, append(args, "-n", namespace)...)
		if err != nil {
			t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	kubectl(`
apiVersion: warifu.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  mtls: {mode: STRICT}
  portLevelMtls:
    8080: {mode: DISABLE}
---
apiVersion: warifu.dev/v1alpha1
kind: DestinationRule
metadata: {name: web}
spec: {host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
---
apiVersion: warifu.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: web}
spec: {}
`, "apply", "-f", "-")

	if got := kubectl("", "get", "wpa", "web", "-o", "jsonpath={.spec.portLevelMtls}"); got != `{"8080":{"mode":"DISABLE"}}` {
		t.Errorf("portLevelMtls: %s", got)
	}
	for short, columns := range map[string][]string{
		"wpa": {"NAME", "MODE", "ACCEPTED", "PROGRAMMED", "CONFLICTED", "WORKLOADS", "AGE", "STRICT"},
		"wdr": {"NAME", "HOST", "TLS", "ACCEPTED", "PROGRAMMED", "CONFLICTED", "WORKLOADS", "AGE", "ISTIO_MUTUAL"},
		"wap": {"NAME", "ACTION", "ACCEPTED", "PROGRAMMED", "CONFLICTED", "WORKLOADS", "AGE", "ALLOW"},
	} {
		table := kubectl("", "get", short, "-o", "wide")
		for _, column := range columns {
			if !strings.Contains(table, column) {
				t.Errorf("kubectl get %s has no %s:\n%s", short, column, table)
			}
		}
	}
	if all := kubectl("", "get", "warifu", "-o", "name"); strings.Count(all, "/web\n") != 3 {
		t.Errorf("kubectl get warifu:\n%s", all)
	}
	if text := kubectl("", "explain", "wpa.spec.portLevelMtls"); !strings.Contains(text, "targetPort of a Service") {
		t.Errorf("kubectl explain wpa.spec.portLevelMtls:\n%s", text)
	}
}

// TestEveryFieldIsExplained looks at what kubectl explain shows.
func TestEveryFieldIsExplained(t *testing.T) {
	c := cluster.Require(t)
	for _, kind := range []string{v1alpha1.KindPeerAuthentication, v1alpha1.KindDestinationRule, v1alpha1.KindAuthorizationPolicy, v1alpha1.KindTrustDomain} {
		schema := schemaOf(t, c, kind)
		if !strings.HasPrefix(schema.Description, kind+" ") {
			t.Errorf("%s is described as %q", kind, schema.Description)
		}
		for _, part := range []string{"spec", "status"} {
			explained(t, kind+"."+part, schema.Properties[part])
		}
	}
}

func explained(t *testing.T, path string, schema apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	if schema.Description == "" {
		t.Errorf("%s has no description", path)
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		schema = *schema.Items.Schema
	}
	for name, property := range schema.Properties {
		explained(t, path+"."+name, property)
	}
}
