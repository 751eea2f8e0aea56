package inject

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// recorded is the record of probes that the proxy of an injected pod is given.
func recorded(t *testing.T, pod *corev1.Pod) proxyconfig.Probes {
	t.Helper()
	var record proxyconfig.Probes
	env := pod.Spec.InitContainers[1].Env
	at := slices.IndexFunc(env, func(v corev1.EnvVar) bool { return v.Name == naming.EnvProbes })
	if at < 0 {
		return nil
	}
	if strings.Contains(env[at].Value, "$") {
		t.Errorf("kubelet would expand %s", env[at].Value)
	}
	if err := json.Unmarshal([]byte(env[at].Value), &record); err != nil {
		t.Fatal(err)
	}
	return record
}

func TestProbes(t *testing.T) {
	get := func(g corev1.HTTPGetAction) corev1.ProbeHandler { return corev1.ProbeHandler{HTTPGet: &g} }
	named := []corev1.ContainerPort{{Name: "web", ContainerPort: 8080}}
	tests := []struct {
		name  string
		probe corev1.Probe
		want  proxyconfig.Probes // of the readiness probe of container app
	}{
		{
			"HTTP with defaults", corev1.Probe{ProbeHandler: get(corev1.HTTPGetAction{Port: intstr.FromInt32(80)})},
			proxyconfig.Probes{{TimeoutSeconds: 1, HTTPGet: &proxyconfig.HTTPProbe{Scheme: "HTTP", Port: 80, Path: "/"}}},
		},
		{
			"HTTPS by name, host, headers and signs that kubelet would expand", corev1.Probe{TimeoutSeconds: 7, ProbeHandler: get(corev1.HTTPGetAction{
				Scheme: corev1.URISchemeHTTPS, Port: intstr.FromString("web"), Path: "/$(HOME)", Host: "127.0.0.1",
				HTTPHeaders: []corev1.HTTPHeader{{Name: "X", Value: "$$"}, {Name: "X", Value: "2"}},
			})},
			proxyconfig.Probes{{TimeoutSeconds: 7, HTTPGet: &proxyconfig.HTTPProbe{
				Scheme: "HTTPS", Port: 8080, Path: "/$(HOME)", Host: "127.0.0.1",
				Headers: []proxyconfig.Header{{Name: "X", Value: "$$"}, {Name: "X", Value: "2"}},
			}}},
		},
		{
			"TCP", corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("web"), Host: "h"}}},
			proxyconfig.Probes{{TimeoutSeconds: 1, TCPSocket: &proxyconfig.TCPProbe{Port: 8080, Host: "h"}}},
		},
		{
			"gRPC", corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 9, Service: ptr.To("s")}}},
			proxyconfig.Probes{{TimeoutSeconds: 1, GRPC: &proxyconfig.GRPCProbe{Port: 9, Service: "s"}}},
		},
		{"exec stays", corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}}, nil},
		{"unknown port name stays", corev1.Probe{ProbeHandler: get(corev1.HTTPGetAction{Port: intstr.FromString("nowhere")})}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := input(sidecar)
			app(&in).Ports = named
			test.probe.PeriodSeconds, test.probe.FailureThreshold = 11, 12
			app(&in).ReadinessProbe = &test.probe
			pod := mustInject(t, in)

			want := test.probe.DeepCopy()
			for i := range test.want {
				test.want[i].Path = "/app-health/app/readyz"
				want.ProbeHandler = get(corev1.HTTPGetAction{Path: "/app-health/app/readyz", Port: intstr.FromInt32(15020), Scheme: "HTTP"})
			}
			if diff := cmp.Diff(test.want, recorded(t, pod)); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, pod.Spec.Containers[0].ReadinessProbe); diff != "" {
				t.Errorf("probe (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHooks(t *testing.T) {
	in := input(sidecar)
	app(&in).Lifecycle = &corev1.Lifecycle{
		PostStart: &corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(1)}},
		PreStop:   &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Port: intstr.FromInt32(2), Path: "/bye"}},
	}
	pod := mustInject(t, in)
	want := proxyconfig.Probes{
		{Path: "/app-lifecycle/app/poststartz", TCPSocket: &proxyconfig.TCPProbe{Port: 1}},
		{Path: "/app-lifecycle/app/prestopz", HTTPGet: &proxyconfig.HTTPProbe{Scheme: "HTTP", Port: 2, Path: "/bye"}},
	}
	if diff := cmp.Diff(want, recorded(t, pod)); diff != "" {
		t.Error(diff)
	}
	sleeping := input(sidecar)
	app(&sleeping).Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 1}}}
	if diff := cmp.Diff(app(&sleeping).Lifecycle, mustInject(t, sleeping).Spec.Containers[0].Lifecycle); diff != "" {
		t.Error(diff)
	}
}

// TestProbesStayWithoutProxy: with data plane none kubelet asks the application itself.
func TestProbesStayWithoutProxy(t *testing.T) {
	in := input()
	app(&in).LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 1}}}
	if diff := cmp.Diff(app(&in).LivenessProbe, mustInject(t, in).Spec.Containers[0].LivenessProbe); diff != "" {
		t.Error(diff)
	}
}
