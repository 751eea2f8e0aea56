package webhooks

import (
	"encoding/json"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
)

// patched is the pod that the API server would make of a request and its answer.
func patched(t testing.TB, request admission.Request, response admission.Response) *corev1.Pod {
	t.Helper()
	if !response.Allowed || response.Patch == nil || *response.PatchType != admissionv1.PatchTypeJSONPatch {
		t.Fatalf("not injected: %+v", response.Result)
	}
	patch, err := jsonpatch.DecodePatch(response.Patch)
	if err != nil {
		t.Fatal(err)
	}
	document, err := patch.Apply(request.Object.Raw)
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := json.Unmarshal(document, pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

func TestInjects(t *testing.T) {
	f := newFixture(t)
	f.index.SetPeerAuthentication(parse[v1alpha1.PeerAuthentication](t, `
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}`))
	request := create(t, "shop", plainPod())
	pod := patched(t, request, f.Handle(t.Context(), request))
	want := map[string]string{
		naming.AnnotationMTLSMode: "STRICT", naming.AnnotationClientTLSMode: "ISTIO_MUTUAL",
		naming.AnnotationIdentity: "spiffe://cluster.local/ns/shop/sa/default",
	}
	for key, value := range want {
		if pod.Annotations[key] != value {
			t.Errorf("%s = %q, want %q", key, pod.Annotations[key], value)
		}
	}
	if diff := cmp.Diff(map[string]float64{"injected/": 1}, f.counted(t)); diff != "" {
		t.Error(diff)
	}
	if got := f.events(); len(got) != 0 {
		t.Errorf("events %q", got)
	}
}

func TestInjectsInNamespaceThatTheCacheLacks(t *testing.T) {
	f := newFixture(t)
	request := create(t, "new", plainPod())
	patched(t, request, f.Handle(t.Context(), request))
}

// TestInjectsWhereTheCacheIsBehind: the API server has seen a namespace opt in, and asks before the cache here has.
func TestInjectsWhereTheCacheIsBehind(t *testing.T) {
	for name, cached := range map[string]map[string]string{
		"no label yet":     nil,
		"opted out before": {naming.LabelInjection: naming.InjectionDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.options.Cached = namespaces{"new": cached}
			request := create(t, "new", plainPod())
			patched(t, request, f.Handle(t.Context(), request))
		})
	}
}

func TestSkips(t *testing.T) {
	owned := func(pod *corev1.Pod) {
		pod.Name, pod.GenerateName = "", "web-5d8-"
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d8", UID: "u", Controller: ptr.To(true)}}
	}
	hostNetwork := func(pod *corev1.Pod) { pod.Spec.HostNetwork = true }
	optedOut := func(pod *corev1.Pod) { pod.Labels = map[string]string{naming.LabelInject: "false"} }
	tests := []struct {
		name   string
		edits  []func(*corev1.Pod)
		reason string
		event  string // part of it
	}{
		{"host network", []func(*corev1.Pod){hostNetwork}, "HostNetwork", "pod web alone: the pod uses the node's network"},
		{"opted out, of a ReplicaSet", []func(*corev1.Pod){optedOut, owned}, "PodOptedOut", "pod web-5d8 alone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			request := create(t, "shop", plainPod(test.edits...))
			response := f.Handle(t.Context(), request)
			if !response.Allowed || response.Patch != nil {
				t.Errorf("response %+v", response)
			}
			if diff := cmp.Diff(map[string]float64{"skipped/" + test.reason: 1}, f.counted(t)); diff != "" {
				t.Error(diff)
			}
			if got := f.events(); len(got) != 1 || !strings.Contains(got[0], "Normal "+test.reason) || !strings.Contains(got[0], test.event) {
				t.Errorf("events %q", got)
			}

			request.DryRun = ptr.To(true)
			if f.Handle(t.Context(), request); len(f.events()) != 0 {
				t.Error("a dry run left an event")
			}
		})
	}
}

func TestEventObject(t *testing.T) {
	controlled := plainPod(func(pod *corev1.Pod) {
		pod.Namespace = "shop"
		pod.OwnerReferences = []metav1.OwnerReference{
			{APIVersion: "v1", Kind: "ConfigMap", Name: "other"},
			{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-5d8", UID: "u", Controller: ptr.To(true)},
		}
	})
	want := &corev1.ObjectReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Namespace: "shop", Name: "web-5d8", UID: "u"}
	if diff := cmp.Diff(want, eventObject(controlled)); diff != "" {
		t.Error(diff)
	}
	nameless := plainPod(func(pod *corev1.Pod) { pod.Namespace, pod.Name, pod.GenerateName = "shop", "", "job-" })
	want = &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "job"}
	if diff := cmp.Diff(want, eventObject(nameless)); diff != "" {
		t.Error(diff)
	}
}

func TestSecondInvocationSkips(t *testing.T) {
	for _, plane := range []string{naming.DataPlaneNone, naming.DataPlaneSidecar} {
		f := newFixture(t)
		request := create(t, "shop", plainPod(func(pod *corev1.Pod) { pod.Labels = map[string]string{naming.LabelDataPlane: plane} }))
		again := create(t, "shop", patched(t, request, f.Handle(t.Context(), request)))
		if response := f.Handle(t.Context(), again); !response.Allowed || response.Patch != nil {
			t.Errorf("%s: %s", plane, response.Patch)
		}
		if got := f.counted(t)["skipped/AlreadyInjected"]; got != 1 {
			t.Errorf("%s: counted %v", plane, got)
		}
		if got := f.events(); len(got) != 0 {
			t.Errorf("%s: events %q of a pod that is as it should be", plane, got)
		}
	}
}

func TestRefuses(t *testing.T) {
	f := newFixture(t)
	request := create(t, "shop", plainPod(func(pod *corev1.Pod) { pod.Labels = map[string]string{naming.LabelInject: "yes"} }))
	response := f.Handle(t.Context(), request)
	const want = `Warifu cannot inject this pod: metadata.labels[warifu.dev/inject]: "yes" is not understood; use "true" or "false", or remove the label`
	if response.Allowed || response.Result.Message != want {
		t.Errorf("got %+v", response.Result)
	}
	if diff := cmp.Diff(map[string]float64{"refused/UnknownLabelValue": 1}, f.counted(t)); diff != "" {
		t.Error(diff)
	}
}

// TestFailures: whatever is not known fails the request, so that the API server's failure policy decides.
func TestFailures(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*fixture, *admission.Request)
		code    int32
	}{
		{"not a pod", func(_ *fixture, r *admission.Request) { r.Object.Raw = []byte(`{"spec":[]}`) }, 400},
		{"another kind", func(_ *fixture, r *admission.Request) {
			r.Object.Raw = []byte(`{"apiVersion":"apps/v1","kind":"Deployment","spec":{}}`)
		}, 400},
		{"unknown namespace", func(_ *fixture, r *admission.Request) { r.Namespace = "nowhere" }, 500},
		{"starting", func(f *fixture, _ *admission.Request) { f.options.Synced = func() bool { return false } }, 503},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, request := newFixture(t), create(t, "shop", plainPod())
			test.prepare(&f, &request)
			if response := f.Handle(t.Context(), request); response.Allowed || response.Result.Code != test.code {
				t.Errorf("got %+v", response.Result)
			}
			if got := f.counted(t)["failed/"]; got != 1 {
				t.Errorf("counted %v", got)
			}
		})
	}
}

// TestKeepsUnknownFields: an API server newer than this build may send fields that our types lack.
func TestKeepsUnknownFields(t *testing.T) {
	f := newFixture(t)
	request := create(t, "shop", plainPod())
	request.Object.Raw = []byte(`{"metadata":{"name":"web","future":1},"spec":{"future":{"a":1},"containers":[{"name":"app","image":"i","future":[1]}]}}`)
	response := f.Handle(t.Context(), request)
	patch, err := jsonpatch.DecodePatch(response.Patch)
	if err != nil {
		t.Fatal(err)
	}
	document, err := patch.Apply(request.Object.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(document), `"future"`); got != 3 {
		t.Errorf("%d of 3 unknown fields are left in %s", got, document)
	}
}

// TestFieldNamesAreExact: "Spec" is not "spec" to the API server either.
func TestFieldNamesAreExact(t *testing.T) {
	f := newFixture(t)
	request := create(t, "shop", plainPod())
	request.Object.Raw = []byte(`{"metadata":{"name":"web"},"spec":{"containers":[{"name":"app"}]},"Spec":{"hostNetwork":true}}`)
	if response := f.Handle(t.Context(), request); response.Patch == nil {
		t.Errorf("a field of another name was believed: %+v", response.Result)
	}
}
