package webhooks

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

func policySettings() policy.Settings {
	return policy.Settings{RootNamespace: "warifu-system", TrustDomain: "cluster.local", ClusterDomain: "cluster.local"}
}

func injectSettings() inject.Settings {
	return inject.Settings{
		RootNamespace: "warifu-system", TrustDomain: "cluster.local", DefaultDataPlane: naming.DataPlaneNone,
		ProxyImage: "registry.example/warifu-proxy:v1", ProxyImagePullPolicy: corev1.PullIfNotPresent,
		ControlAddress: "warifu-control.warifu-system.svc:15012", ControlIdentity: "spiffe://cluster.local/ns/warifu-system/sa/warifu-operator",
		Version: "v1.2.3",
	}
}

// namespaces is a Reader of namespaces alone.
type namespaces map[string]map[string]string

func (n namespaces) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	labels, known := n[key.Name]
	if !known {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, key.Name)
	}
	object.SetName(key.Name)
	object.SetLabels(labels)
	return nil
}

// fixture is a pod injector with everything around it in memory.
type fixture struct {
	*podInjector
	recorder *events.FakeRecorder
	metrics  *prometheus.Registry
	index    *policy.Index
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	f := fixture{recorder: events.NewFakeRecorder(10), metrics: prometheus.NewRegistry(), index: policy.NewIndex(policySettings())}
	counter, err := newInjectionCounter(f.metrics)
	if err != nil {
		t.Fatal(err)
	}
	f.podInjector = &podInjector{counter: counter, options: Options{
		Index:     f.index,
		Synced:    func() bool { return true },
		Cached:    namespaces{"shop": {naming.LabelInjection: naming.InjectionEnabled}},
		Live:      namespaces{"new": {naming.LabelInjection: naming.InjectionEnabled}},
		Recorder:  f.recorder,
		Injection: injectSettings(),
		Policy:    policySettings(),
	}}
	return f
}

func (f fixture) counted(t testing.TB) map[string]float64 {
	t.Helper()
	return counted(t, f.metrics)
}

// counted is the metric's value for each "result/reason".
func counted(t testing.TB, metrics *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.Metric {
			labels := map[string]string{}
			for _, label := range metric.Label {
				labels[label.GetName()] = label.GetValue()
			}
			out[labels["result"]+"/"+labels["reason"]] = metric.Counter.GetValue()
		}
	}
	return out
}

// events are those recorded so far.
func (f fixture) events() (out []string) {
	for {
		select {
		case event := <-f.recorder.Events:
			out = append(out, event)
		default:
			return out
		}
	}
}

// create is the request to create an object.
func create(t testing.TB, namespace string, object any) admission.Request {
	t.Helper()
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "1", Operation: admissionv1.Create, Namespace: namespace,
	}}
	request.Object.Raw = raw
	return request
}

func plainPod(edits ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
	for _, edit := range edits {
		edit(pod)
	}
	return pod
}

// parse reads an object from YAML.
func parse[T any](t testing.TB, text string) *T {
	t.Helper()
	object := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatal(err)
	}
	return object
}
