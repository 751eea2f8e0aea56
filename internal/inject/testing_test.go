package inject

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

func testSettings() Settings {
	return Settings{
		RootNamespace:          "warifu-system",
		TrustDomain:            "cluster.local",
		DefaultDataPlane:       naming.DataPlaneNone,
		ProxyImage:             "registry.example/warifu-proxy:v1",
		ProxyImagePullPolicy:   corev1.PullIfNotPresent,
		ControlAddress:         "warifu-control.warifu-system.svc:15012",
		ControlIdentity:        "spiffe://cluster.local/ns/warifu-system/sa/warifu-operator",
		ExcludableInboundPorts: []uint16{9090},
		Version:                "v1.2.3",
	}
}

// input is a pod of one container in a namespace that opted in.
func input(edits ...func(*Input)) Input {
	in := Input{
		Pod: &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: map[string]string{}, Annotations: map[string]string{}},
			Spec: corev1.PodSpec{
				ServiceAccountName: "web",
				Containers:         []corev1.Container{{Name: "app", Image: "app:1"}},
			},
		},
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: "shop", Labels: map[string]string{naming.LabelInjection: naming.InjectionEnabled},
		}},
		Settings:   testSettings(),
		Mode:       proxyconfig.Permissive,
		ClientMode: proxyconfig.ClientIstioMutual,
	}
	for _, edit := range edits {
		edit(&in)
	}
	return in
}

func sidecar(in *Input) { in.Settings.DefaultDataPlane = naming.DataPlaneSidecar }

func app(in *Input) *corev1.Container { return &in.Pod.Spec.Containers[0] }

// mustInject injects, and checks on the way that the patch does to the document what Apply did to the pod.
func mustInject(t testing.TB, in Input) *corev1.Pod {
	t.Helper()
	outcome := Decide(in)
	if outcome.Plan == nil {
		t.Fatalf("Decide: %+v, %v; want a plan", outcome.Skip, outcome.Refusal)
	}
	pod := in.Pod.DeepCopy()
	ops := Apply(outcome.Plan, pod)
	checkPatch(t, in.Pod, ops, pod)
	return pod
}

// checkPatch compares a pod with what the patch makes of the document before.
func checkPatch(t testing.TB, before *corev1.Pod, ops []Operation, after *corev1.Pod) {
	t.Helper()
	document, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	patched := applied(t, document, ops)
	want, err := json.Marshal(after)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, want), decoded(t, patched)); diff != "" {
		t.Fatalf("the patched document is not the pod (-pod +document):\n%s", diff)
	}
}

func decoded(t testing.TB, document []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(document, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// applied is the document after the operations.
func applied(t testing.TB, document []byte, ops []Operation) []byte {
	t.Helper()
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := patch.Apply(document)
	if err != nil {
		t.Fatalf("patch %s: %v", text, err)
	}
	return patched
}
