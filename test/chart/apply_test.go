package chart_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// TestApply installs the chart into a namespace that enforces the restricted Pod Security level, and again, as an upgrade
// does, after the operator has written its caBundle.
func TestApply(t *testing.T) {
	c := cluster.Require(t)
	ns := c.Namespace(t, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	url := values("webhook.url", "https://127.0.0.1:9443")
	install(t, c, chart.Options{Namespace: ns, Values: url})

	var deployment appsv1.Deployment
	get(t, c, client.ObjectKey{Namespace: ns, Name: "warifu-operator"}, &deployment)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "operator"}, Spec: deployment.Spec.Template.Spec}
	if err := c.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Errorf("the operator's pod is not admitted: %v", err)
	}

	bundle := []byte("what the operator wrote")
	var config admissionregistrationv1.MutatingWebhookConfiguration
	get(t, c, client.ObjectKey{Name: naming.WebhookMutating}, &config)
	before := config.DeepCopy()
	for i := range config.Webhooks {
		config.Webhooks[i].ClientConfig.CABundle = bundle
	}
	if err := c.Client.Patch(t.Context(), &config, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	// With every value set, and what runs after uninstalling too.
	install(t, c, chart.Options{Namespace: ns, Values: everything()})
	var job batchv1.Job
	get(t, c, client.ObjectKey{Namespace: ns, Name: "warifu-purge"}, &job)
	pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "purge"}, Spec: job.Spec.Template.Spec}
	if err := c.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Errorf("the pod that purges is not admitted: %v", err)
	}
	get(t, c, client.ObjectKey{Name: naming.WebhookMutating}, &config)
	for _, w := range config.Webhooks {
		if string(w.ClientConfig.CABundle) != string(bundle) {
			t.Errorf("an upgrade replaced the caBundle of %s by %q", w.Name, w.ClientConfig.CABundle)
		}
	}
}

// install applies the chart as Helm does: server-side, with a field owner of its own. What is cluster-wide goes when the
// test ends, except for the CRDs, which the control plane had before.
func install(t *testing.T, c *cluster.Cluster, o chart.Options) {
	t.Helper()
	for _, object := range render(t, o) {
		apply(t, c, object)
	}
}

func apply(t *testing.T, c *cluster.Cluster, object *unstructured.Unstructured) {
	t.Helper()
	if object.GetNamespace() == "" && object.GetKind() != "CustomResourceDefinition" {
		t.Cleanup(func() {
			if err := c.Client.Delete(context.Background(), object); err != nil && !apierrors.IsNotFound(err) {
				t.Error(err)
			}
		})
	}
	err := c.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("helm"), client.ForceOwnership)
	if err != nil {
		t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

func get(t *testing.T, c *cluster.Cluster, key client.ObjectKey, object client.Object) {
	t.Helper()
	if err := c.Client.Get(t.Context(), key, object); err != nil {
		t.Fatal(err)
	}
}

// TestKustomize: config/default is the chart with its default values, plus the namespace; and the API server takes it.
func TestKustomize(t *testing.T) {
	c := cluster.Require(t)
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := c.Kubectl(t.Context(), "", "kustomize", filepath.Join(root, "config", "default"))
	if err != nil {
		t.Fatalf("%v\n%s", err, manifest)
	}
	objects, err := chart.Decode(manifest)
	if err != nil {
		t.Fatal(err)
	}
	kustomized := byName(objects)
	namespace := "Namespace " + naming.DefaultNamespace
	if kustomized[namespace] == "" {
		t.Error("the namespace is missing")
	}
	delete(kustomized, namespace)
	if diff := cmp.Diff(byName(render(t, chart.Options{})), kustomized); diff != "" {
		t.Errorf("chart and kustomize differ, run make generate (-chart +kustomize):\n%s", diff)
	}
	for _, object := range objects {
		apply(t, c, object)
	}
}

// byName is objects as JSON, without what tells Helm's objects from kubectl's.
func byName(objects []*unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	for _, o := range objects {
		for _, key := range []string{"helm.sh/chart", naming.LabelManagedBy, "app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/version"} {
			unstructured.RemoveNestedField(o.Object, "metadata", "labels", key)
		}
		unstructured.RemoveNestedField(o.Object, "metadata", "annotations", "helm.sh/resource-policy")
		if len(o.GetLabels()) == 0 {
			unstructured.RemoveNestedField(o.Object, "metadata", "labels")
		}
		raw, err := json.MarshalIndent(o.Object, "", " ")
		if err != nil {
			raw = fmt.Append(nil, err)
		}
		out[o.GetKind()+" "+o.GetName()] = string(raw)
	}
	return out
}
