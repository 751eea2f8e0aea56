package webhooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	kjson "sigs.k8s.io/json"

	"github.com/warifu/warifu/internal/naming"
)

// largePod is a pod of 64 KB: twelve containers with much environment, mounts and probes.
func largePod(plane string) *corev1.Pod {
	pod := plainPod(func(pod *corev1.Pod) {
		pod.Labels = map[string]string{naming.LabelDataPlane: plane}
		pod.Annotations = map[string]string{"example.org/note": string(bytes.Repeat([]byte("note "), 400))}
		pod.Spec.Containers = nil
	})
	for i := range 12 {
		c := corev1.Container{
			Name: fmt.Sprintf("container-%d", i), Image: "registry.example/team/application:v1.2.3",
			Ports: []corev1.ContainerPort{{Name: fmt.Sprintf("http-%d", i), ContainerPort: int32(8000 + i), Protocol: corev1.ProtocolTCP}},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
				HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: intstr.FromString(fmt.Sprintf("http-%d", i))},
			}},
		}
		for j := range 64 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("APPLICATION_SETTING_%d", j), Value: "some value of moderate length"})
		}
		for j := range 4 {
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: fmt.Sprintf("volume-%d", j), MountPath: fmt.Sprintf("/data/%d", j)})
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	for j := range 4 {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprintf("volume-%d", j)})
	}
	return pod
}

// BenchmarkInject64KB measures what the handler does to a pod of 64 KB (decode, decide, patch), and in the same run what
// decoding and re-encoding that pod costs alone. "ratio" must stay at or below 2, "ns/op" below a millisecond.
func BenchmarkInject64KB(b *testing.B) {
	for _, plane := range []string{naming.DataPlaneNone, naming.DataPlaneSidecar} {
		b.Run(plane, func(b *testing.B) {
			f := newFixture(b)
			request := create(b, "shop", largePod(plane))
			if size := len(request.Object.Raw); size < 60<<10 || size > 68<<10 {
				b.Fatalf("the pod is %d bytes", size)
			}
			var alone time.Duration
			for b.Loop() {
				if response := f.Handle(b.Context(), request); response.Patch == nil {
					b.Fatal(response.Result)
				}
				b.StopTimer()
				start := time.Now()
				recode(b, request.Object.Raw)
				alone += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(alone), "ratio")
			b.ReportMetric(float64(len(request.Object.Raw)), "bytes")
		})
	}
}

// recode decodes and re-encodes a pod the way the handler would have to without patching.
func recode(b *testing.B, raw []byte) {
	pod := &corev1.Pod{}
	if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, pod); err != nil {
		b.Fatal(err)
	}
	if _, err := json.Marshal(pod); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkInjectHTTP64KB is the same from the request's body to the response's.
func BenchmarkInjectHTTP64KB(b *testing.B) {
	f := newFixture(b)
	hook := &admission.Webhook{Handler: f.podInjector}
	request := create(b, "shop", largePod(naming.DataPlaneNone)).AdmissionRequest
	request.Object = runtime.RawExtension{Raw: request.Object.Raw}
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: &request,
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		call := httptest.NewRequest(http.MethodPost, PathPods, bytes.NewReader(body))
		call.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		if hook.ServeHTTP(answer, call); answer.Code != http.StatusOK || !bytes.Contains(answer.Body.Bytes(), []byte(`"patch"`)) {
			b.Fatal(answer.Body)
		}
	}
}
