package inject

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"k8s.io/utils/ptr"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestRestricted asks Pod Security's own checks: what passed "restricted" before still does.
func TestRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(level api.Level, pod *corev1.Pod) policy.AggregateCheckResult {
		version := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		return policy.AggregateCheckResults(evaluator.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec))
	}
	restricted := func(in *Input) {
		in.Pod.Spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}
		app(in).SecurityContext = &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
	}
	pod := mustInject(t, input(restricted))
	if result := allowed(api.LevelRestricted, pod); !result.Allowed {
		t.Errorf("data plane none: %s", result.ForbiddenDetail())
	}
	// The premise of the refusal: the redirect cannot pass, and it is the only one that cannot.
	pod = mustInject(t, input(restricted, sidecar))
	if allowed(api.LevelBaseline, pod).Allowed {
		t.Error("data plane sidecar passes baseline: the refusal is not needed any more")
	}
	pod.Spec.InitContainers = pod.Spec.InitContainers[1:]
	if result := allowed(api.LevelRestricted, pod); !result.Allowed {
		t.Errorf("proxy: %s", result.ForbiddenDetail())
	}
}

// TestReinvocation lets another webhook add a container after the first invocation.
func TestReinvocation(t *testing.T) {
	probed := func(name string) corev1.Container {
		return corev1.Container{Name: name, Image: name, ReadinessProbe: &corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}},
		}}
	}
	for _, plane := range []string{naming.DataPlaneNone, naming.DataPlaneSidecar} {
		t.Run(plane, func(t *testing.T) {
			in := input(label(naming.LabelDataPlane, plane))
			in.Pod.Spec.Containers = []corev1.Container{probed("app")}
			in.Pod = mustInject(t, in)
			if got := Decide(in); got.Skip != SkipAlreadyInjected {
				t.Fatalf("the second time: %+v, %v", got, got.Refusal)
			}
			in.Pod.Spec.Containers = append(in.Pod.Spec.Containers, probed("agent"))
			in.Pod.Spec.InitContainers = append([]corev1.Container{{Name: "prepare"}}, in.Pod.Spec.InitContainers...)
			again := mustInject(t, in)

			// The result is what one invocation on the whole would have given.
			whole := input(label(naming.LabelDataPlane, plane))
			whole.Pod.Spec.Containers = []corev1.Container{probed("app"), probed("agent")}
			whole.Pod.Spec.InitContainers = []corev1.Container{{Name: "prepare"}}
			if diff := cmp.Diff(mustInject(t, whole), again); diff != "" {
				t.Errorf("in two steps it differs (-one +two):\n%s", diff)
			}
		})
	}
}

// TestModeChangedBetween has the policy change between two invocations: the annotation follows, the literal stays.
func TestModeChangedBetween(t *testing.T) {
	for _, plane := range []string{naming.DataPlaneNone, naming.DataPlaneSidecar} {
		in := input(label(naming.LabelDataPlane, plane))
		in.Pod = mustInject(t, in)
		in.Mode = proxyconfig.Strict
		pod := mustInject(t, in)
		if got := pod.Annotations[naming.AnnotationMTLSMode]; got != "STRICT" {
			t.Errorf("%s: annotation %q", plane, got)
		}
	}
}

// TestForgedAnnotations: what is injected is read from the spec; our annotations on a new pod count for nothing.
// TestOwnVariablesReferToOurs: $(NAME) is replaced only by what was defined before, so ours come first whatever the pod
// pins of them itself.
func TestOwnVariablesReferToOurs(t *testing.T) {
	pod := mustInject(t, input(func(in *Input) {
		app(in).Env = []corev1.EnvVar{{Name: "CERT", Value: "$(WARIFU_TLS_CERT)"}, {Name: naming.EnvMTLSMode, Value: "STRICT"}}
	}))
	var names []string
	for _, variable := range pod.Spec.Containers[0].Env {
		names = append(names, variable.Name)
	}
	want := []string{
		naming.EnvClientTLSMode, naming.EnvIdentity, naming.EnvTLSCert, naming.EnvTLSKey, naming.EnvTLSCA, "CERT", naming.EnvMTLSMode,
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestForgedAnnotations(t *testing.T) {
	honest := mustInject(t, input())
	in := input(
		annotation(naming.AnnotationStatus, honest.Annotations[naming.AnnotationStatus]),
		annotation(naming.AnnotationMTLSMode, "DISABLE"),
		annotation(naming.AnnotationClientTLSMode, "DISABLE"),
		annotation(naming.AnnotationIdentity, "spiffe://cluster.local/ns/shop/sa/admin"),
	)
	if diff := cmp.Diff(honest, mustInject(t, in)); diff != "" {
		t.Errorf("forged annotations made a difference (-honest +forged):\n%s", diff)
	}
}

// TestChangedProxy: a container that passes for the proxy is not taken for it.
func TestChangedProxy(t *testing.T) {
	tests := map[string]func(redirect, proxy *corev1.Container){
		"image":   func(_, proxy *corev1.Container) { proxy.Image = "sleep" },
		"command": func(_, proxy *corev1.Container) { proxy.Command = []string{"sleep"} },
		"args": func(redirect, _ *corev1.Container) {
			redirect.Args = append(redirect.Args, "--exclude-inbound-ports=8080")
		},
		"user":             func(_, proxy *corev1.Container) { proxy.SecurityContext.RunAsUser = ptr.To[int64](0) },
		"capability":       func(redirect, _ *corev1.Container) { redirect.SecurityContext.Capabilities.Add = nil },
		"restart policy":   func(_, proxy *corev1.Container) { proxy.RestartPolicy = nil },
		"control identity": func(_, proxy *corev1.Container) { setEnv(proxy, naming.EnvControlIdentity, "spiffe://evil/ns/a/sa/b") },
		"variable said twice": func(_, proxy *corev1.Container) {
			proxy.Env = append(proxy.Env, corev1.EnvVar{Name: naming.EnvControlAddress, Value: "elsewhere:1"})
		},
		"variables from elsewhere": func(_, proxy *corev1.Container) { proxy.EnvFrom = []corev1.EnvFromSource{{}} },
		"mount":                    func(_, proxy *corev1.Container) { proxy.VolumeMounts = proxy.VolumeMounts[1:] },
		"hook":                     func(_, proxy *corev1.Container) { proxy.Lifecycle = &corev1.Lifecycle{} },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			in := input(sidecar)
			in.Pod = mustInject(t, in)
			change(&in.Pod.Spec.InitContainers[0], &in.Pod.Spec.InitContainers[1])
			if got := Decide(in); got.Refusal == nil || got.Refusal.Reason != RefusalContainer {
				t.Errorf("got %+v, %v", got, got.Refusal)
			}
		})
	}
	t.Run("what others add", func(t *testing.T) {
		in := input(sidecar)
		in.Pod = mustInject(t, in)
		for i := range in.Pod.Spec.InitContainers {
			c := &in.Pod.Spec.InitContainers[i]
			c.Env = append(c.Env, corev1.EnvVar{Name: "HTTP_PROXY", Value: "http://proxy"})
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "kube-api-access", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount"})
			c.TerminationMessagePath = "/dev/termination-log"
		}
		if got := Decide(in); got.Skip != SkipAlreadyInjected {
			t.Errorf("got %+v, %v", got, got.Refusal)
		}
	})
}

func setEnv(c *corev1.Container, name, value string) {
	at := slices.IndexFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == name })
	c.Env[at].Value = value
}

// TestUnreadableRecord: a proxy whose record of probes is gone cannot be completed.
func TestUnreadableRecord(t *testing.T) {
	in := input(sidecar)
	app(&in).LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 1}}}
	in.Pod = mustInject(t, in)
	setEnv(&in.Pod.Spec.InitContainers[1], naming.EnvProbes, "{")
	if got := Decide(in); got.Refusal == nil || got.Refusal.Reason != RefusalProbe {
		t.Errorf("got %+v, %v", got, got.Refusal)
	}
}

// TestStatus reads the status annotation back.
func TestStatus(t *testing.T) {
	tests := []struct {
		edits []func(*Input)
		want  Status
	}{
		{nil, Status{Version: "v1.2.3", DataPlane: "none", Volumes: []string{"warifu-tls", "warifu-mode"}, Containers: []string{"app"}}},
		{[]func(*Input){sidecar}, Status{
			Version: "v1.2.3", DataPlane: "sidecar", InitContainers: []string{"warifu-redirect", "warifu-proxy"},
			Volumes: []string{"warifu-tls", "warifu-mode", "warifu-token", "warifu-state"}, Containers: []string{"warifu-proxy"},
		}},
	}
	for _, test := range tests {
		var got Status
		text := mustInject(t, input(test.edits...)).Annotations[naming.AnnotationStatus]
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// TestUnknownFields: a document with fields that our types lack keeps them, in every place that is touched.
func TestUnknownFields(t *testing.T) {
	document := []byte(`{"metadata":{"name":"web","future":1,"annotations":{"a":"b"}},"spec":{"future":1,
		"volumes":[{"name":"v","future":{"x":1}}],
		"initContainers":[{"name":"first","future":1}],
		"containers":[{"name":"app","future":1,"env":[{"name":"A","future":1}],"volumeMounts":[{"name":"v","mountPath":"/v","future":1}],
			"readinessProbe":{"future":1,"tcpSocket":{"port":80}}}]}}`)
	for _, plane := range []string{naming.DataPlaneNone, naming.DataPlaneSidecar} {
		in := input()
		in.Settings.DefaultDataPlane = plane
		in.Pod = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{}}
		if err := json.Unmarshal(document, in.Pod); err != nil {
			t.Fatal(err)
		}
		ops := Apply(Decide(in).Plan, in.Pod)
		patched := applied(t, document, ops)
		if got := countFields(decoded(t, patched), "future"); got != 8 {
			t.Errorf("%s: %d of 8 unknown fields are left in\n%s", plane, got, patched)
		}
	}
}

func countFields(value any, name string) int {
	count := 0
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			if key == name {
				count++
			}
			count += countFields(member, name)
		}
	case []any:
		for _, item := range value {
			count += countFields(item, name)
		}
	}
	return count
}
