package webhooks

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// TestAdmission asks a real API server, with the shipped webhook configurations.
func TestAdmission(t *testing.T) {
	s := startAdmission(t)
	t.Run("injects", s.testInjects)
	t.Run("is asked once", s.testAskedOnce)
	t.Run("leaves alone", s.testLeavesAlone)
	t.Run("refuses", s.testRefuses)
	t.Run("restricted namespace", s.testRestricted)
	t.Run("another webhook adds a container", s.testReinvocation)
	t.Run("copy of a running pod", s.testCopy)
	t.Run("policies", s.testPolicies)
	t.Run("certificates", s.testCertificates)
}

var optedIn = map[string]string{naming.LabelInjection: naming.InjectionEnabled}

func plane(plane string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { setLabel(pod, naming.LabelDataPlane, plane) }
}

func setLabel(pod *corev1.Pod, key, value string) {
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels[key] = value
}

// pod creates a pod and returns what the API server made of it.
func (s *admissionServer) pod(t *testing.T, namespace string, edits ...func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	pod := plainPod(append(edits, func(pod *corev1.Pod) { pod.Namespace, pod.Name, pod.GenerateName = namespace, "", "web-" })...)
	if err := s.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// mounted are the names of the containers that mount a volume.
func mounted(pod *corev1.Pod, volume string) (out []string) {
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume }) {
			out = append(out, c.Name)
		}
	}
	return out
}

func (s *admissionServer) testInjects(t *testing.T) {
	namespace := s.Namespace(t, optedIn)
	withInit := func(pod *corev1.Pod) {
		pod.Spec.InitContainers = []corev1.Container{{Name: "first", Image: "first:1"}}
	}
	pod := s.pod(t, namespace, withInit)
	if got := mounted(pod, naming.VolumeTLS); !slices.Equal(got, []string{"first", "app"}) {
		t.Errorf("data plane none: the key is in %v", got)
	}
	want := fmt.Sprintf("spiffe://cluster.local/ns/%s/sa/default", namespace)
	if got := pod.Annotations[naming.AnnotationIdentity]; got != want {
		t.Errorf("identity %q, want %q", got, want)
	}
	pod = s.pod(t, namespace, withInit, plane(naming.DataPlaneSidecar))
	if got := mounted(pod, naming.VolumeTLS); !slices.Equal(got, []string{naming.ContainerProxy}) {
		t.Errorf("data plane sidecar: the key is in %v", got)
	}
	var names []string
	for _, c := range pod.Spec.InitContainers {
		names = append(names, c.Name)
	}
	if want := []string{naming.ContainerRedirect, naming.ContainerProxy, "first"}; !slices.Equal(names, want) {
		t.Errorf("init containers %v, want %v", names, want)
	}
	undecided := s.Namespace(t, nil)
	pod = s.pod(t, undecided, func(pod *corev1.Pod) { setLabel(pod, naming.LabelInject, "true") })
	if mounted(pod, naming.VolumeTLS) == nil {
		t.Error("a pod that opted in by itself was not injected")
	}
}

// testAskedOnce: where nobody else changes the pod, the API server has no reason to ask about it again, and no event says that
// it is injected already.
func (s *admissionServer) testAskedOnce(t *testing.T) {
	namespace := s.Namespace(t, optedIn)
	for _, dataPlane := range []string{naming.DataPlaneNone, naming.DataPlaneSidecar} {
		before := counted(t, s.metrics)
		pod := s.pod(t, namespace, plane(dataPlane))
		after := counted(t, s.metrics)
		if injected, again := resultInjected+"/", resultSkipped+"/AlreadyInjected"; after[injected] != before[injected]+1 || after[again] != before[again] {
			t.Errorf("%s: before %v, after %v", dataPlane, before, after)
		}
		for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return strings.HasPrefix(m.Name, "kube-api-access-") }) {
				t.Errorf("%s: container %s is without the pod's token: %v", dataPlane, c.Name, c.VolumeMounts)
			}
		}
	}
}

func (s *admissionServer) testLeavesAlone(t *testing.T) {
	namespace := s.Namespace(t, optedIn)
	disabled := s.Namespace(t, map[string]string{naming.LabelInjection: naming.InjectionDisabled})
	optIn := func(pod *corev1.Pod) { setLabel(pod, naming.LabelInject, "true") }
	tests := map[string]struct {
		namespace string
		edit      func(*corev1.Pod)
	}{
		"opted out":            {namespace, func(pod *corev1.Pod) { setLabel(pod, naming.LabelInject, "false") }},
		"host network":         {namespace, func(pod *corev1.Pod) { pod.Spec.HostNetwork = true }},
		"disabled namespace":   {disabled, optIn},
		"nobody opted in":      {s.Namespace(t, nil), func(*corev1.Pod) {}},
		"operator's namespace": {naming.DefaultNamespace, optIn},
	}
	for name, test := range tests {
		if test.namespace == naming.DefaultNamespace {
			s.eventually(t, "the operator's namespace has its ServiceAccount", func() error {
				return s.Client.Get(t.Context(), client.ObjectKey{Namespace: test.namespace, Name: "default"}, &corev1.ServiceAccount{})
			})
		}
		if pod := s.pod(t, test.namespace, test.edit); mounted(pod, naming.VolumeTLS) != nil {
			t.Errorf("%s: injected", name)
		}
	}

	named := plainPod(func(pod *corev1.Pod) { pod.Namespace, pod.Spec.HostNetwork = namespace, true })
	dry := named.DeepCopy()
	dry.Name = "dry"
	if err := s.Client.Create(t.Context(), dry, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if err := s.Client.Create(t.Context(), named); err != nil {
		t.Fatal(err)
	}
	var events eventsv1.EventList
	s.eventually(t, "there is an event on the pod", func() error {
		if err := s.Client.List(t.Context(), &events, client.InNamespace(namespace)); err != nil {
			return err
		}
		if !slices.ContainsFunc(events.Items, func(e eventsv1.Event) bool { return e.Reason == "HostNetwork" && e.Regarding.Name == named.Name }) {
			return fmt.Errorf("%d events, none of them", len(events.Items))
		}
		return nil
	})
	if slices.ContainsFunc(events.Items, func(e eventsv1.Event) bool { return e.Regarding.Name == dry.Name }) {
		t.Error("a dry run left an event")
	}
}

func (s *admissionServer) testRefuses(t *testing.T) {
	namespace := s.Namespace(t, optedIn)
	tests := map[string]struct {
		edit func(*corev1.Pod)
		says string
	}{
		"unknown label": {func(pod *corev1.Pod) { setLabel(pod, naming.LabelInject, "yes") }, `use "true" or "false"`},
		"forged proxy":  {func(pod *corev1.Pod) { pod.Spec.Containers[0].Name = naming.ContainerProxy }, "another name"},
		"reserved port": {func(pod *corev1.Pod) {
			plane(naming.DataPlaneSidecar)(pod)
			pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: naming.PortInbound}}
		}, "port 15006 is the proxy's"},
	}
	for name, test := range tests {
		pod := plainPod(test.edit, func(pod *corev1.Pod) { pod.Namespace = namespace })
		err := s.Client.Create(t.Context(), pod)
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want …%s…", name, err, test.says)
		}
	}
}

// testRestricted: the API server's own Pod Security admission has the last word.
func (s *admissionServer) testRestricted(t *testing.T) {
	namespace := s.Namespace(t, map[string]string{
		naming.LabelInjection: naming.InjectionEnabled, "pod-security.kubernetes.io/enforce": "restricted",
	})
	restricted := func(pod *corev1.Pod) {
		pod.Namespace = namespace
		pod.Spec.SecurityContext = &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}
		pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
	}
	if pod := s.pod(t, namespace, restricted); mounted(pod, naming.VolumeTLS) == nil {
		t.Error("not injected")
	}
	err := s.Client.Create(t.Context(), plainPod(restricted, plane(naming.DataPlaneSidecar)))
	if err == nil || !strings.Contains(err.Error(), "dataplane=none") {
		t.Errorf("sidecar: %v", err)
	}
}

func (s *admissionServer) testReinvocation(t *testing.T) {
	s.installAgent(t)
	namespace := s.Namespace(t, optedIn)
	agent := func(pod *corev1.Pod) { setLabel(pod, "agent", "true") }
	s.eventually(t, "the second webhook is called", func() error {
		pod := plainPod(agent, func(pod *corev1.Pod) { pod.Namespace = namespace })
		if err := s.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
			return err
		}
		if len(pod.Spec.Containers) != 2 {
			return errors.New("it was not")
		}
		return nil
	})
	if got, want := mounted(s.pod(t, namespace, agent), naming.VolumeTLS), []string{"agent-init", "app", "agent"}; !slices.Equal(got, want) {
		t.Errorf("data plane none: the key is in %v, want %v", got, want)
	}
	pod := s.pod(t, namespace, agent, plane(naming.DataPlaneSidecar))
	if got := pod.Spec.InitContainers; len(got) != 3 || got[0].Name != naming.ContainerRedirect || got[1].Name != naming.ContainerProxy {
		t.Errorf("init containers %v", got)
	}
}

// testCopy creates a pod from what the API server made of an injected one: people do.
func (s *admissionServer) testCopy(t *testing.T) {
	namespace := s.Namespace(t, optedIn)
	for _, dataPlane := range []string{naming.DataPlaneNone, naming.DataPlaneSidecar} {
		first := s.pod(t, namespace, plane(dataPlane))
		second := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "copy-" + dataPlane, Labels: first.Labels, Annotations: first.Annotations,
		}, Spec: *first.Spec.DeepCopy()}
		if err := s.Client.Create(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first.Spec, second.Spec); diff != "" {
			t.Errorf("%s: the copy differs:\n%s", dataPlane, diff)
		}
	}
}

func (s *admissionServer) testPolicies(t *testing.T) {
	namespace := s.Namespace(t, nil)
	rule := parse[v1alpha1.DestinationRule](t, "{metadata: {name: policy}, spec: {host: not-there-yet, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}}")
	rule.Namespace = namespace
	if err := s.Client.Create(t.Context(), rule); err != nil {
		t.Errorf("a host that does not exist yet: %v", err)
	}
	bad := parse[v1alpha1.AuthorizationPolicy](t, `{metadata: {name: policy}, spec: {rules: [{from: [{source: {principals: ["a*b"]}}]}]}}`)
	bad.Namespace = namespace
	if err := s.Client.Create(t.Context(), bad); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "principals[0]") {
		t.Errorf("a principal with a star in the middle: %v", err)
	}
	trust := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: "cluster.local"}}
	trust.Spec.WorkloadCertificates.Lifetime = &metav1.Duration{Duration: time.Minute}
	if err := s.Client.Create(t.Context(), trust); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "90s") {
		t.Errorf("a certificate of one minute: %v", err)
	}
}

// testCertificates renews the serving certificate, swaps the CA and forgets the old one, while the API server is kept busy.
func (s *admissionServer) testCertificates(t *testing.T) {
	start := s.clock.Now()
	l := s.load()
	first := s.material(t)
	step := func(after time.Duration, what string, reached func(material) bool) material {
		t.Helper()
		asked := l.asked.Load()
		s.clock.SetTime(start.Add(after))
		s.touch(t, after)
		var now material
		s.eventually(t, what, func() error {
			if now = s.material(t); !reached(now) {
				return errors.New("not yet")
			}
			if l.asked.Load() < asked+5 {
				return errors.New("too little was asked meanwhile")
			}
			return nil
		})
		return now
	}
	renewed := step(239*day, "the serving certificate is renewed", func(m material) bool { return !m.leaf.Equal(first.leaf) })
	step(250*day, "the next CA is there", func(m material) bool { return m.next != nil })
	swapped := step(250*day+time.Minute, "the next CA signs", func(m material) bool { return len(m.former) == 1 })
	last := step(250*day+time.Hour+time.Minute, "the former CA is forgotten", func(m material) bool { return len(m.former) == 0 })
	l.stop()
	if failed := l.failed.Load(); failed != 0 {
		t.Errorf("%d of %d requests failed: %v", failed, l.asked.Load(), l.last.Load())
	}
	if renewed.signer.Signer.Equal(swapped.signer.Signer) || !swapped.leaf.Equal(last.leaf) {
		t.Error("the CA is the old one, or the certificate changed without need")
	}
	s.eventually(t, "the API server trusts the new CA alone", func() error {
		if got := s.trusted(t); len(got) != 1 || !got[0].Equal(last.signer.Signer) {
			return fmt.Errorf("%d certificates are trusted", len(got))
		}
		return nil
	})

	t.Run("recovery", func(t *testing.T) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: naming.SecretWebhookCA}}
		if err := s.Client.Delete(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		s.eventually(t, "the Secret is made anew", func() error {
			return s.Client.Get(t.Context(), client.ObjectKeyFromObject(secret), secret)
		})
		s.eventually(t, "admission works", func() error { return s.ask(t.Context()) })
		garbled := client.RawPatch(types.MergePatchType, []byte(`{"data":{"tls.crt":"Z2FyYmFnZQ=="}}`))
		if err := s.Client.Patch(t.Context(), secret, garbled); err != nil {
			t.Fatal(err)
		}
		s.eventually(t, "the Secret is mended", func() error {
			if s.material(t).leaf == nil {
				return errors.New("not yet")
			}
			return nil
		})
		s.eventually(t, "admission works", func() error { return s.ask(t.Context()) })
	})
}

// touch has the reconciler look at its clock: in days it would by itself.
func (s *admissionServer) touch(t *testing.T, at time.Duration) {
	t.Helper()
	o := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: naming.WebhookMutating}}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"touched":%q}}}`, at)
	if err := s.Client.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, patch)); err != nil {
		t.Fatal(err)
	}
}

func (s *admissionServer) material(t *testing.T) material {
	t.Helper()
	secret := &corev1.Secret{}
	if err := s.Client.Get(t.Context(), client.ObjectKey{Namespace: naming.DefaultNamespace, Name: naming.SecretWebhookCA}, secret); err != nil {
		t.Fatal(err)
	}
	return parseMaterial(secret)
}

// trusted is the bundle of the validating configuration's last entry.
func (s *admissionServer) trusted(t *testing.T) []*x509.Certificate {
	t.Helper()
	var o admissionregistrationv1.ValidatingWebhookConfiguration
	if err := s.Client.Get(t.Context(), client.ObjectKey{Name: naming.WebhookValidator}, &o); err != nil {
		t.Fatal(err)
	}
	certs, err := pki.ParseCertificates(o.Webhooks[len(o.Webhooks)-1].ClientConfig.CABundle)
	if err != nil {
		t.Fatal(err)
	}
	return certs
}
