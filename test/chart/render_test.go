package chart_test

import (
	"encoding/json"
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
		"everything": everything(),
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
		"Service elsewhere/" + naming.ServiceControl,
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
	if l := pod.Containers[0].Lifecycle; l == nil || l.PreStop == nil || l.PreStop.Sleep == nil || l.PreStop.Sleep.Seconds < 3 {
		t.Error("a replica that goes would be asked for admission when it does not answer any more")
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

// TestNotes: what to do next, and what was switched off that should be known.
func TestNotes(t *testing.T) {
	for name, tc := range map[string]struct {
		values map[string]any
		want   []string
		not    string
	}{
		"next step":   {values("trustDomain", "example.org"), []string{"example.org", naming.LabelInjection + "=" + naming.InjectionEnabled, "kubectl get warifu"}, "WARNING"},
		"no CRDs":     {values("crds.install", false), []string{"config/crd"}, "WARNING"},
		"no guards":   {values("guards.enabled", false), []string{"WARNING", "guards.enabled"}, "replicas"},
		"one replica": {values("replicas", 1), []string{"WARNING", "two replicas"}, "guards"},
		"purge":       {values("uninstall.purge", true), []string{"WARNING", "uninstall.purge"}, "guards"},
	} {
		t.Run(name, func(t *testing.T) {
			rendered, err := chart.Render(chart.Options{Values: tc.values})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tc.want {
				if !strings.Contains(rendered.Notes, want) {
					t.Errorf("the notes do not say %q:\n%s", want, rendered.Notes)
				}
			}
			if strings.Contains(rendered.Notes, tc.not) {
				t.Errorf("the notes say %q:\n%s", tc.not, rendered.Notes)
			}
		})
	}
}
