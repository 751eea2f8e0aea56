package webhooks

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// pathAgent is a second webhook, not ours, that adds a container to pods labelled agent=true after we have seen them.
const pathAgent = "/test-add-agent"

// admissionServer is admission as the operator runs it, reached by URL.
type admissionServer struct {
	*cluster.Cluster
	index   *policy.Index
	clock   *clocktesting.FakePassiveClock
	options CertificateOptions
	metrics *prometheus.Registry
}

// startAdmission runs admission against the real API server, with the shipped webhook configurations, until the test ends.
// The clock begins 300 days ago, so that years of certificates can pass that are valid today.
func startAdmission(t *testing.T) *admissionServer {
	t.Helper()
	s := &admissionServer{
		Cluster: cluster.Require(t),
		index:   policy.NewIndex(policySettings()),
		clock:   clocktesting.NewFakePassiveClock(time.Now().Add(-300 * day)),
		options: CertificateOptions{Names: []string{"127.0.0.1"}, ServingLifetime: 340 * day},
		metrics: prometheus.NewRegistry(),
	}
	s.operatorNamespace(t)
	port := freePort(t)
	s.install(t, fmt.Sprintf("https://127.0.0.1:%d", port))
	s.run(t, port)
	s.eventually(t, "admission works", func() error { return s.ask(t.Context()) })
	return s
}

// run runs manager, webhook server and certificate reconciler.
func (s *admissionServer) run(t *testing.T, port int) {
	t.Helper()
	var serving *ServingCertificate
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: port, TLSOpts: []func(*tls.Config){
		func(config *tls.Config) { serving.Configure(config) },
	}})
	mgr, err := ctrl.NewManager(s.Config, ctrl.Options{
		Scheme: s.Client.Scheme(), WebhookServer: server,
		Metrics: metricsserver.Options{BindAddress: "0"}, Controller: ctrlconfig.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	serving = NewServingCertificate(mgr.GetCache(), naming.DefaultNamespace)
	injection := injectSettings()
	injection.ExcludableInboundPorts = []uint16{9090}
	reconciler := &CertificateReconciler{
		Reader: mgr.GetAPIReader(), Applier: mgr.GetClient(), Clock: s.clock, Namespace: naming.DefaultNamespace, Options: s.options,
	}
	err = errors.Join(reconciler.SetupWithManager(mgr), Register(mgr.GetWebhookServer(), Options{
		Index: s.index, Synced: func() bool { return true }, Cached: mgr.GetClient(), Live: mgr.GetAPIReader(),
		Recorder: mgr.GetEventRecorder("warifu-operator"), Metrics: s.metrics,
		Injection: injection, Policy: policySettings(),
	}))
	if err != nil {
		t.Fatal(err)
	}
	server.Register(pathAgent, &admission.Webhook{Handler: admission.HandlerFunc(addAgent)})
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	})
}

// install applies the shipped webhook configurations, reached by URL instead of by Service.
func (s *admissionServer) install(t *testing.T, url string) {
	t.Helper()
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(root, "config", "webhook", "webhook.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	redirect := func(c *admissionregistrationv1.WebhookClientConfig) {
		c.URL = ptr.To(url + *c.Service.Path)
		c.Service = nil
	}
	for decoder := yaml.NewYAMLOrJSONDecoder(file, 4096); ; {
		var raw json.RawMessage
		if decoder.Decode(&raw) != nil {
			break
		}
		var mutating admissionregistrationv1.MutatingWebhookConfiguration
		var validating admissionregistrationv1.ValidatingWebhookConfiguration
		switch {
		case json.Unmarshal(raw, &mutating) == nil && mutating.Kind == "MutatingWebhookConfiguration":
			for i := range mutating.Webhooks {
				redirect(&mutating.Webhooks[i].ClientConfig)
			}
			s.create(t, &mutating)
		case json.Unmarshal(raw, &validating) == nil && validating.Kind == "ValidatingWebhookConfiguration":
			for i := range validating.Webhooks {
				redirect(&validating.Webhooks[i].ClientConfig)
			}
			s.create(t, &validating)
		}
	}
}

// installAgent has the API server call the second webhook, after ours.
func (s *admissionServer) installAgent(t *testing.T) {
	t.Helper()
	var ours admissionregistrationv1.MutatingWebhookConfiguration
	if err := s.Client.Get(t.Context(), client.ObjectKey{Name: naming.WebhookMutating}, &ours); err != nil {
		t.Fatal(err)
	}
	hook := *ours.Webhooks[0].DeepCopy()
	hook.Name = "agent.example.org"
	hook.ClientConfig.URL = ptr.To(strings.TrimSuffix(*hook.ClientConfig.URL, PathPods) + pathAgent)
	hook.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"agent": "true"}}
	hook.ReinvocationPolicy = ptr.To(admissionregistrationv1.NeverReinvocationPolicy)
	s.create(t, &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "zz-agent"}, Webhooks: []admissionregistrationv1.MutatingWebhook{hook},
	})
}

// addAgent adds a container at the end, and an init container at the beginning.
func addAgent(_ context.Context, req admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := json.Unmarshal(req.Object.Raw, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "agent", Image: "agent:1"})
	pod.Spec.InitContainers = append([]corev1.Container{{Name: "agent-init", Image: "agent:1"}}, pod.Spec.InitContainers...)
	changed, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(req.Object.Raw, changed)
}

func (s *admissionServer) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := s.Client.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
	t.Cleanup(func() {
		if err := s.Client.Delete(context.Background(), object); client.IgnoreNotFound(err) != nil {
			t.Errorf("deleting %T %s: %v", object, object.GetName(), err)
		}
	})
}

// operatorNamespace makes the operator's namespace, unless an earlier run of the test has: namespaces cannot be made twice.
func (s *admissionServer) operatorNamespace(t *testing.T) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.DefaultNamespace}}
	if err := client.IgnoreAlreadyExists(s.Client.Create(t.Context(), namespace)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: naming.SecretWebhookCA}}
		if err := s.Client.Delete(context.Background(), secret); client.IgnoreNotFound(err) != nil {
			t.Error(err)
		}
	})
}

// ask has the API server call admission, without a trace.
func (s *admissionServer) ask(ctx context.Context) error {
	pod := plainPod(func(pod *corev1.Pod) {
		pod.Namespace, pod.Name, pod.GenerateName = "default", "", "ask-"
		pod.Labels = map[string]string{naming.LabelInject: naming.InjectTrue}
	})
	if err := s.Client.Create(ctx, pod, client.DryRunAll); err != nil {
		return err
	}
	if pod.Annotations[naming.AnnotationStatus] == "" {
		return errors.New("the pod was not injected")
	}
	return nil
}

// eventually waits for a check to pass.
func (s *admissionServer) eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting until %s: %v", what, last)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// load asks for admission without a pause until stopped, and counts.
type load struct {
	asked, failed atomic.Int64
	last          atomic.Value
	stop          func()
}

func (s *admissionServer) load() *load {
	l := &load{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := s.ask(ctx); err != nil && ctx.Err() == nil {
				l.failed.Add(1)
				l.last.Store(err.Error())
			}
			l.asked.Add(1)
		}
	}()
	l.stop = func() { cancel(); <-done }
	return l
}
