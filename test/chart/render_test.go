package chart_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/app"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/chart"
)

func TestLint(t *testing.T) {
	dir, err := chart.Dir()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]map[string]any{
		"defaults":   nil,
		"everything": values("webhook.url", "https://192.0.2.1:9443", "metrics.enabled", false, "dataPlane", "sidecar"),
	} {
		for _, m := range lint.RunAll(dir, v, naming.DefaultNamespace).Messages {
			if m.Severity >= support.WarningSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
}

// TestObjects: what is installed, and that its names are those that the operator looks for.
func TestObjects(t *testing.T) {
	want := []string{
		"ClusterRole warifu-metrics-reader",
		"ClusterRole warifu-operator",
		"ClusterRoleBinding warifu-operator",
		"ConfigMap elsewhere/warifu-operator",
		"CustomResourceDefinition authorizationpolicies.warifu.dev",
		"CustomResourceDefinition destinationrules.warifu.dev",
		"CustomResourceDefinition peerauthentications.warifu.dev",
		"CustomResourceDefinition trustdomains.warifu.dev",
		"Deployment elsewhere/warifu-operator",
		"MutatingWebhookConfiguration " + naming.WebhookMutating,
		"PodDisruptionBudget elsewhere/warifu-operator",
		"Role elsewhere/warifu-operator",
		"RoleBinding elsewhere/warifu-operator",
		"Service elsewhere/" + naming.ServiceWebhook,
		"ServiceAccount elsewhere/warifu-operator",
		"ValidatingAdmissionPolicy warifu-identity-secrets",
		"ValidatingAdmissionPolicy warifu-pod-annotations",
		"ValidatingAdmissionPolicy warifu-proxy-containers",
		"ValidatingAdmissionPolicy warifu-proxy-user",
		"ValidatingAdmissionPolicyBinding warifu-identity-secrets",
		"ValidatingAdmissionPolicyBinding warifu-pod-annotations",
		"ValidatingAdmissionPolicyBinding warifu-proxy-containers",
		"ValidatingAdmissionPolicyBinding warifu-proxy-user",
		"ValidatingWebhookConfiguration " + naming.WebhookValidator,
	}
	var got []string
	for _, o := range render(t, chart.Options{Namespace: "elsewhere"}) {
		name := o.GetName()
		if o.GetNamespace() != "" {
			name = o.GetNamespace() + "/" + name
		}
		got = append(got, o.GetKind()+" "+name)
		if raw, err := json.Marshal(o); err != nil || strings.Contains(string(raw), naming.DefaultNamespace) {
			t.Errorf("%s %s names the default namespace in another release (%v)", o.GetKind(), o.GetName(), err)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}

func TestCRDsSurviveUninstall(t *testing.T) {
	kept := 0
	for _, o := range render(t, chart.Options{}) {
		if o.GetKind() == "CustomResourceDefinition" {
			kept++
			if o.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
				t.Errorf("CRD %s goes with the release, and every object of its kind with it", o.GetName())
			}
		}
	}
	if kept != 4 {
		t.Errorf("%d CRDs, want 4", kept)
	}
	for _, o := range render(t, chart.Options{Values: values("crds.install", false)}) {
		if o.GetKind() == "CustomResourceDefinition" {
			t.Errorf("crds.install=false renders %s", o.GetName())
		}
	}
}

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
		"metrics reader":  {values("metrics.enabled", false), "ClusterRole", "warifu-metrics-reader", nil, nil},
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
				t.Fatalf("no element %s of %d", key, len(v))
			}
			at = v[i]
		default:
			return nil
		}
	}
	return at
}

// TestConfig: the operator reads the chart's configuration file, and finds the values in it.
func TestConfig(t *testing.T) {
	got := operatorConfig(t, values("trustDomain", "example.org", "clusterDomain", "k8s.local", "dataPlane", "sidecar",
		"proxy.image.tag", "v9", "proxy.excludableInboundPorts", []any{9090}, "webhook.url", "https://192.0.2.1:9443",
		"log.level", "debug", "metrics.enabled", false))
	want := app.DefaultConfig()
	want.TrustDomain, want.ClusterDomain = "example.org", "k8s.local"
	want.Webhook.URL = "https://192.0.2.1:9443"
	want.Metrics.Address = "0"
	want.Injection.DataPlane = naming.DataPlaneSidecar
	want.Injection.ProxyImage = "ghcr.io/warifu/proxy:v9"
	want.Injection.ExcludableInboundPorts = []int32{9090}
	want.Injection.ProxyResources = operatorConfig(t, nil).Injection.ProxyResources
	want.Log.Level = "debug"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if cpu := got.Injection.ProxyResources.Requests.Cpu().String(); cpu != "10m" {
		t.Errorf("the proxy's resources do not arrive: cpu %q", cpu)
	}
	if want := app.DefaultConfig().Injection.DataPlane; operatorConfig(t, nil).Injection.DataPlane != want || want != naming.DataPlaneNone {
		t.Error("the default data plane must be none, in the chart as in the operator")
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

func TestDeploymentIsRestricted(t *testing.T) {
	var deployment appsv1.Deployment
	convert(t, find(render(t, chart.Options{}), "Deployment", "warifu-operator"), &deployment)
	pod := deployment.Spec.Template.Spec
	if len(pod.Containers) != 1 || pod.Containers[0].ReadinessProbe == nil || pod.Containers[0].LivenessProbe == nil {
		t.Errorf("want one container with probes, got %+v", pod.Containers)
	}
	if c := pod.Containers[0]; c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem ||
		c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("want a read-only root and bounded memory, got %+v", c)
	}
	if s := deployment.Spec.Strategy.RollingUpdate; s == nil || s.MaxUnavailable.IntValue() != 0 {
		t.Error("admission would go away during an upgrade")
	}
	var service corev1.Service
	convert(t, find(render(t, chart.Options{}), "Service", naming.ServiceWebhook), &service)
	if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(deployment.Spec.Template.Labels)) {
		t.Error("the Service does not select the operator's pods")
	}
}

func convert(t *testing.T, from *unstructured.Unstructured, to any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(from.Object, to, true); err != nil {
		t.Fatal(err)
	}
}

// TestWhichPodsAreSent is the table of labels: of every combination, at most one entry is called, and the right one.
func TestWhichPodsAreSent(t *testing.T) {
	var config admissionregistrationv1.MutatingWebhookConfiguration
	convert(t, find(render(t, chart.Options{Namespace: "elsewhere", Values: values("webhook.excludedNamespaces", []any{"vault"})}),
		"MutatingWebhookConfiguration", naming.WebhookMutating), &config)
	for _, tc := range []struct {
		namespace, injection, inject string
		want                         bool
	}{
		{"shop", "enabled", "", true},
		{"shop", "enabled", "true", true},
		{"shop", "enabled", "false", true},    // skipped, and recorded
		{"shop", "enabled", "nonsense", true}, // the injector refuses it
		{"shop", "", "", false},
		{"shop", "", "true", true},
		{"shop", "", "false", false},
		{"shop", "disabled", "", false},
		{"shop", "disabled", "true", false},
		{"shop", "nonsense", "", false},
		{"shop", "nonsense", "true", true},
		{"elsewhere", "enabled", "true", false},
		{"elsewhere", "", "true", false},
		{"vault", "enabled", "true", false},
		{"vault", "", "true", false},
		{"kube-system", "enabled", "true", false},
		{"kube-system", "", "true", false},
		{"kube-public", "enabled", "true", false},
		{"kube-node-lease", "", "true", false},
	} {
		namespace := labels.Set{corev1.LabelMetadataName: tc.namespace}
		if tc.injection != "" {
			namespace[naming.LabelInjection] = tc.injection
		}
		pod := labels.Set{}
		if tc.inject != "" {
			pod[naming.LabelInject] = tc.inject
		}
		called := 0
		for _, w := range config.Webhooks {
			if matches(t, w.NamespaceSelector, namespace) && matches(t, w.ObjectSelector, pod) {
				called++
			}
		}
		if want := map[bool]int{true: 1}[tc.want]; called != want {
			t.Errorf("namespace %s labelled %q, pod labelled %q: %d entries are called, want %d", tc.namespace, tc.injection, tc.inject, called, want)
		}
	}
}

// matches reads a selector as the API server does: one that is absent selects everything.
func matches(t *testing.T, s *metav1.LabelSelector, set labels.Set) bool {
	t.Helper()
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	return selector.Matches(set)
}

// TestWebhookClients: a URL replaces the Service everywhere, and nothing ever renders caBundle.
func TestWebhookClients(t *testing.T) {
	paths := []string{"/mutate-pods", "/validate-authorizationpolicies", "/validate-destinationrules", "/validate-peerauthentications", "/validate-trustdomains"}
	for name, v := range map[string]map[string]any{"service": nil, "url": values("webhook.url", "https://192.0.2.1:9443/")} {
		var mutating admissionregistrationv1.MutatingWebhookConfiguration
		var validating admissionregistrationv1.ValidatingWebhookConfiguration
		objects := render(t, chart.Options{Values: v})
		convert(t, find(objects, "MutatingWebhookConfiguration", naming.WebhookMutating), &mutating)
		convert(t, find(objects, "ValidatingWebhookConfiguration", naming.WebhookValidator), &validating)
		seen := map[string]bool{}
		check := func(c admissionregistrationv1.WebhookClientConfig, timeout int32, policy admissionregistrationv1.FailurePolicyType) {
			if len(c.CABundle) > 0 || timeout > 5 || policy != admissionregistrationv1.Fail {
				t.Errorf("%s: caBundle %q, timeout %d, failurePolicy %s", name, c.CABundle, timeout, policy)
			}
			switch {
			case c.URL != nil && c.Service == nil:
				seen["url "+strings.TrimPrefix(*c.URL, "https://192.0.2.1:9443")] = true
			case c.Service != nil && c.URL == nil:
				seen["service "+*c.Service.Path] = true
			}
		}
		for _, w := range mutating.Webhooks {
			check(w.ClientConfig, *w.TimeoutSeconds, *w.FailurePolicy)
		}
		for _, w := range validating.Webhooks {
			check(w.ClientConfig, *w.TimeoutSeconds, *w.FailurePolicy)
		}
		var want []string
		for _, p := range paths {
			want = append(want, name+" "+p)
		}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(seen))); diff != "" {
			t.Errorf("clients (-want +got):\n%s", diff)
		}
	}
}

func TestNotes(t *testing.T) {
	rendered, err := chart.Render(chart.Options{Values: values("trustDomain", "example.org")})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"example.org", naming.LabelInjection + "=" + naming.InjectionEnabled, "kubectl get warifu"} {
		if !strings.Contains(rendered.Notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, rendered.Notes)
		}
	}
}
