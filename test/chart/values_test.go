package chart_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/app"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/chart"
)

// TestValues: values reach the field that they are for.
func TestValues(t *testing.T) {
	const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for name, tc := range map[string]struct {
		values     map[string]any
		kind, name string
		path       []string
		want       any
	}{
		"two replicas":    {nil, "Deployment", "warifu-operator", []string{"spec", "replicas"}, int64(2)},
		"more replicas":   {values("replicas", 3), "Deployment", "warifu-operator", []string{"spec", "replicas"}, int64(3)},
		"budget":          {nil, "PodDisruptionBudget", "warifu-operator", []string{"spec", "maxUnavailable"}, int64(1)},
		"one has none":    {values("replicas", 1), "PodDisruptionBudget", "warifu-operator", nil, nil},
		"pod label":       {values("podLabels", map[string]any{"team": "x"}), "Deployment", "warifu-operator", []string{"spec", "template", "metadata", "labels", "team"}, "x"},
		"account":         {values("serviceAccount.annotations", map[string]any{"a": "b"}), "ServiceAccount", "warifu-operator", []string{"metadata", "annotations", "a"}, "b"},
		"node selector":   {values("nodeSelector", map[string]any{"disk": "ssd"}), "Deployment", "warifu-operator", []string{"spec", "template", "spec", "nodeSelector", "disk"}, "ssd"},
		"priority":        {values("priorityClassName", "high"), "Deployment", "warifu-operator", []string{"spec", "template", "spec", "priorityClassName"}, "high"},
		"no guards":       {values("guards.enabled", false), "ValidatingAdmissionPolicy", "warifu-identity-secrets", nil, nil},
		"no cert-manager": {nil, "ClusterRole", "warifu-operator-cert-manager", nil, nil},
		"cert-manager":    {values("certManager.enabled", true), "ClusterRoleBinding", "warifu-operator-cert-manager", []string{"roleRef", "name"}, "warifu-operator-cert-manager"},
		"metrics reader":  {values("metrics.enabled", false), "ClusterRole", "warifu-metrics-reader", nil, nil},
		"every label":     {values("commonLabels", map[string]any{"team": "x"}), "ClusterRole", "warifu-operator", []string{"metadata", "labels", "team"}, "x"},
		"pods' too":       {values("commonLabels", map[string]any{"team": "x"}), "Deployment", "warifu-operator", []string{"spec", "template", "metadata", "labels", "team"}, "x"},
		"ours stay":       {values("commonLabels", map[string]any{"app.kubernetes.io/name": "x"}), "Deployment", "warifu-operator", []string{"spec", "template", "metadata", "labels", "app.kubernetes.io/name"}, "warifu"},
		"annotations":     {values("commonAnnotations", map[string]any{"a": "b"}), "ValidatingAdmissionPolicyBinding", "warifu-proxy-user", []string{"metadata", "annotations", "a"}, "b"},
		"of CRDs":         {values("commonAnnotations", map[string]any{"a": "b"}), "CustomResourceDefinition", "trustdomains.warifu.dev", []string{"metadata", "annotations", "a"}, "b"},
		"pod annotation":  {values("podAnnotations", map[string]any{"a": "b"}), "Deployment", "warifu-operator", []string{"spec", "template", "metadata", "annotations", "a"}, "b"},
		"pull secret":     {values("imagePullSecrets", []any{map[string]any{"name": "s"}}), "Deployment", "warifu-operator", []string{"spec", "template", "spec", "imagePullSecrets", "0", "name"}, "s"},
		"toleration":      {values("tolerations", []any{map[string]any{"key": "k"}}), "Deployment", "warifu-operator", []string{"spec", "template", "spec", "tolerations", "0", "key"}, "k"},
		"affinity":        {values("affinity", map[string]any{"nodeAffinity": map[string]any{"a": "b"}}), "Deployment", "warifu-operator", []string{"spec", "template", "spec", "affinity", "nodeAffinity", "a"}, "b"},
		"argument":        {values("extraArgs", []any{"--log-level=debug"}), "Deployment", "warifu-operator", []string{"spec", "template", "spec", "containers", "0", "args", "1"}, "--log-level=debug"},
		"environment":     {values("extraEnv", []any{map[string]any{"name": "HTTPS_PROXY", "value": "p"}}), "Deployment", "warifu-operator", []string{"spec", "template", "spec", "containers", "0", "env", "1", "name"}, "HTTPS_PROXY"},
		"spread":          {nil, "Deployment", "warifu-operator", append(spread(), "topologyKey"), "kubernetes.io/hostname"},
		"spread over":     {zones(), "Deployment", "warifu-operator", append(spread(), "topologyKey"), "zone"},
		"spread what":     {zones(), "Deployment", "warifu-operator", append(spread(), "labelSelector", "matchLabels", "app.kubernetes.io/component"), "operator"},
		"no budget":       {values("podDisruptionBudget.enabled", false), "PodDisruptionBudget", "warifu-operator", nil, nil},
		"other budget":    {values("podDisruptionBudget.maxUnavailable", "50%"), "PodDisruptionBudget", "warifu-operator", []string{"spec", "maxUnavailable"}, "50%"},
		"no network rule": {nil, "NetworkPolicy", "warifu-operator", nil, nil},
		"network rule":    {values("networkPolicy.enabled", true), "NetworkPolicy", "warifu-operator", []string{"spec", "ingress", "0", "ports", "0", "port"}, "webhook"},
		"nobody scrapes":  {values("networkPolicy.enabled", true), "NetworkPolicy", "warifu-operator", []string{"spec", "ingress", "1"}, nil},
		"who scrapes":     {values("networkPolicy", map[string]any{"enabled": true, "metricsFrom": []any{map[string]any{"podSelector": map[string]any{}}}}), "NetworkPolicy", "warifu-operator", []string{"spec", "ingress", "1", "ports", "0", "port"}, "metrics"},
		"nothing purged":  {nil, "Job", "warifu-purge", nil, nil},
		"purge":           {values("uninstall.purge", true), "Job", "warifu-purge", []string{"metadata", "annotations", "helm.sh/hook"}, "post-delete"},
		"CRDs go":         {values("crds.keep", false), "CustomResourceDefinition", "trustdomains.warifu.dev", []string{"metadata", "annotations", "helm.sh/resource-policy"}, nil},
		"image by tag":    {values("image.tag", "v9"), "Deployment", "warifu-operator", image(), "ghcr.io/warifu/operator:v9"},
		"image by digest": {values("image.digest", digest, "image.tag", "v9"), "Deployment", "warifu-operator", image(), "ghcr.io/warifu/operator@" + digest},
	} {
		t.Run(name, func(t *testing.T) {
			object := find(render(t, chart.Options{Values: tc.values}), tc.kind, tc.name)
			if object == nil {
				if tc.path != nil {
					t.Fatalf("there is no %s %s", tc.kind, tc.name)
				}
				return
			}
			if tc.path == nil {
				t.Fatalf("%s %s should not be there", tc.kind, tc.name)
			}
			if got := field(t, object.Object, tc.path); got != tc.want {
				t.Errorf("%s = %v, want %v", strings.Join(tc.path, "."), got, tc.want)
			}
		})
	}
}

// everything sets what is off or empty by default.
func everything() map[string]any {
	v := values("webhook.url", "https://127.0.0.1:9443", "dataPlane", "sidecar", "replicas", 3, "uninstall.purge", true, "certManager.enabled", true,
		"commonLabels", map[string]any{"team": "x"}, "commonAnnotations", map[string]any{"a": "b"}, "priorityClassName", "system-cluster-critical",
		"guards.exempt", map[string]any{"users": []any{`o'"neill`}, "groups": []any{"g"}, "serviceAccounts": []any{"velero/velero"}},
		"guards.proxyRepositories", []any{"mirror.example/proxy"}, "podDisruptionBudget.maxUnavailable", "50%",
		"networkPolicy", map[string]any{"enabled": true, "metricsFrom": []any{map[string]any{"namespaceSelector": map[string]any{}}}},
		"extraArgs", []any{"--log-level=debug"}, "extraEnv", []any{map[string]any{"name": "HTTPS_PROXY", "value": "p"}},
		"serviceAccount.annotations", map[string]any{"b": "c"}, "tolerations", []any{map[string]any{"operator": "Exists"}})
	maps.Copy(v, zones())
	return v
}

func zones() map[string]any {
	return values("topologySpreadConstraints", []any{map[string]any{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}})
}

func spread() []string {
	return []string{"spec", "template", "spec", "topologySpreadConstraints", "0"}
}

func image() []string { return []string{"spec", "template", "spec", "containers", "0", "image"} }

// field follows a path; a number is an index of a list.
func field(t *testing.T, at any, path []string) any {
	t.Helper()
	for _, key := range path {
		switch v := at.(type) {
		case map[string]any:
			at = v[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(v) {
				return nil
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// TestEveryObject carries the common labels and annotations, and is told apart by the labels of its own.
func TestEveryObject(t *testing.T) {
	v := everything()
	v["metrics"] = map[string]any{
		"serviceMonitor": map[string]any{"enabled": true}, "rules": map[string]any{"enabled": true},
		"dashboard": map[string]any{"enabled": true, "annotations": map[string]any{"folder": "x"}},
	}
	for _, o := range render(t, chart.Options{Values: v}) {
		if o.GetLabels()["team"] != "x" || o.GetLabels()["app.kubernetes.io/name"] != "warifu" || o.GetAnnotations()["a"] != "b" {
			t.Errorf("%s %s: labels %v, annotations %v", o.GetKind(), o.GetName(), o.GetLabels(), o.GetAnnotations())
		}
	}
}

// TestConfig: the operator reads the chart's configuration file, and finds the values in it.
func TestConfig(t *testing.T) {
	got := operatorConfig(t, values("trustDomain", "example.org", "clusterDomain", "k8s.local", "dataPlane", "sidecar",
		"proxy.image.tag", "v9", "proxy.excludableInboundPorts", []any{9090}, "proxy.clusterRanges", []any{"10.0.0.0/8"},
		"proxy.accessLogPercent", 5, "proxy.metricsFrom", []any{"fd00::/8"}, "webhook.url", "https://192.0.2.1:9443",
		"log.level", "debug", "metrics.enabled", false))
	want := app.DefaultConfig()
	want.TrustDomain, want.ClusterDomain = "example.org", "k8s.local"
	want.Webhook.URL = "https://192.0.2.1:9443"
	want.Metrics.Address = "0"
	want.Injection.DataPlane = naming.DataPlaneSidecar
	want.Injection.ProxyImage = "ghcr.io/warifu/proxy:v9"
	want.Injection.ExcludableInboundPorts = []int32{9090}
	want.Proxy = app.Proxy{ClusterRanges: []string{"10.0.0.0/8"}, AccessLogPercent: 5, MetricsFrom: []string{"fd00::/8"}}
	want.Injection.ProxyResources = operatorConfig(t, nil).Injection.ProxyResources
	want.Log.Level = "debug"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if cpu := got.Injection.ProxyResources.Requests.Cpu().String(); cpu != "10m" {
		t.Errorf("the proxy's resources do not arrive: cpu %q", cpu)
	}
	if got := operatorConfig(t, nil).Injection.DataPlane; got != naming.DataPlaneSidecar {
		t.Errorf("the chart's default data plane is %q, want %q", got, naming.DataPlaneSidecar)
	}
}

// operatorConfig is the chart's configuration file as the operator reads it: strictly, and valid.
func operatorConfig(t *testing.T, v map[string]any) app.Config {
	t.Helper()
	cm := find(render(t, chart.Options{Values: v}), "ConfigMap", "warifu-operator")
	text, _, _ := unstructured.NestedString(cm.Object, "data", "config.yaml")
	config := app.DefaultConfig()
	if err := yaml.UnmarshalStrict([]byte(text), &config); err != nil {
		t.Fatalf("the operator does not read its configuration: %v\n%s", err, text)
	}
	valid := config
	valid.Namespace = naming.DefaultNamespace
	if err := valid.Validate(); err != nil {
		t.Fatalf("the operator refuses its configuration: %v\n%s", err, text)
	}
	return config
}

// TestConfigChangeRestarts: the operator reads its file once, so another file must be another pod.
func TestConfigChangeRestarts(t *testing.T) {
	path := []string{"spec", "template", "metadata", "annotations", "warifu.dev/config-sha256"}
	before := field(t, find(render(t, chart.Options{}), "Deployment", "warifu-operator").Object, path)
	after := field(t, find(render(t, chart.Options{Values: values("log.level", "debug")}), "Deployment", "warifu-operator").Object, path)
	if before == after || before == nil {
		t.Errorf("the annotation is %v before and %v after", before, after)
	}
}

// TestSchema: a value that is refused is named.
func TestSchema(t *testing.T) {
	for name, tc := range map[string]struct {
		values map[string]any
		want   []string
	}{
		"misspelt":              {values("trustdomain", "x"), []string{"trustdomain"}},
		"misspelt below":        {values("webhook.URL", "https://x"), []string{"/webhook", "URL"}},
		"data plane":            {values("dataPlane", "ambient"), []string{"/dataPlane", "none", "sidecar"}},
		"replicas":              {values("replicas", "two"), []string{"/replicas", "integer"}},
		"trust domain":          {values("trustDomain", "Example.org"), []string{"/trustDomain"}},
		"webhook without TLS":   {values("webhook.url", "http://x"), []string{"/webhook/url"}},
		"a port of the proxy's": {values("proxy.excludableInboundPorts", []any{15006}), []string{"/proxy/excludableInboundPorts/0"}},
		"digest":                {values("image.digest", "latest"), []string{"/image/digest"}},
		"everybody exempt":      {values("guards.exempt.groups", []any{"system:authenticated"}), []string{"/guards/exempt/groups/0"}},
		"an exempt account":     {values("guards.exempt.serviceAccounts", []any{"velero"}), []string{"/guards/exempt/serviceAccounts/0"}},
		"a switch in quotes":    {values("networkPolicy.enabled", "yes"), []string{"/networkPolicy/enabled", "boolean"}},
		"who scrapes":           {values("networkPolicy.metricsFrom", []any{map[string]any{"namespace": "x"}}), []string{"/networkPolicy/metricsFrom/0", "namespace"}},
		"budget of nothing":     {values("podDisruptionBudget.maxUnavailable", 0), []string{"/podDisruptionBudget/maxUnavailable"}},
		"argument":              {values("extraArgs", []any{"debug"}), []string{"/extraArgs/0"}},
		"spread":                {values("topologySpreadConstraints", []any{map[string]any{}}), []string{"/topologySpreadConstraints/0", "topologyKey"}},
		"resources":             {values("resources.request", map[string]any{}), []string{"/resources", "request"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := chart.Render(chart.Options{Values: tc.values})
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
		})
	}
}
