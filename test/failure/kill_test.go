package failure_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// step is a write of the operator, and what leads to it.
type step struct {
	name string
	// write is the request at which the operator is killed.
	write match
	// begin leads to it; an operator is at work.
	begin func(t *testing.T)
	// done waits for what is to be in the end, besides sound identities.
	done func(t *testing.T)
	// once: however often the operator dies, the write succeeds exactly once.
	once bool
	// atStart: the write is part of starting, so that a new operator is the one to be killed.
	atStart bool
}

// TestKilledAtEveryStep kills the operator just before, and then just after, each kind of write. Its successor finds what it
// left: nothing is lost, nothing is orphaned, nothing is done twice.
func TestKilledAtEveryStep(t *testing.T) {
	in := install(t)
	proxy := in.newAPIServer(t)
	s := &story{installed: in, whole: t, proxy: proxy, shop: in.optedIn(t)}
	s.operator = in.startReady(t, proxy)
	in.sound(t, s.shop)
	in.admits(t, s.shop, "app")
	for _, step := range s.steps() {
		t.Run(step.name, func(t *testing.T) {
			t.Run("before", func(t *testing.T) { s.killedAt(t, step, false) })
			t.Run("after", func(t *testing.T) { s.killedAt(t, step, true) })
		})
	}
}

// story is what the steps have in common.
type story struct {
	installed
	whole    *testing.T // what is made for the rest of the story is cleaned up with it
	proxy    *apiServer
	shop     string
	operator *process
}

func (s *story) killedAt(t *testing.T, step step, after bool) {
	s.proxy.isQuiet(t)
	s.proxy.forget()
	victim, died := make(chan *process, 1), make(chan struct{})
	s.proxy.have(&fault{to: step.write, times: 1, does: func(_ http.ResponseWriter, r *http.Request, real http.Handler) {
		if after {
			real.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
		}
		(<-victim).kill()
		close(died)
		panic(http.ErrAbortHandler)
	}})
	if step.atStart {
		s.operator.kill()
		s.freeLease(t)
		s.operator = s.start(s.whole, s.proxy, s.webhook)
	}
	victim <- s.operator
	if step.begin != nil {
		step.begin(t)
	}
	select {
	case <-died:
	case <-time.After(time.Minute):
		t.Fatalf("the operator never came to this step; it wrote %v", s.proxy.succeeded())
	}
	s.freeLease(t)
	s.operator = s.startReady(s.whole, s.proxy)
	if step.done != nil {
		step.done(t)
	}
	s.isReady(t)
	s.sound(t, s.shop)
	s.proxy.isQuiet(t)
	if !step.once {
		return
	}
	var made []string
	for _, write := range s.proxy.succeeded() {
		method, path, _ := strings.Cut(write, " ")
		if r := httptest.NewRequestWithContext(t.Context(), method, path, nil); step.write(r) {
			made = append(made, write)
		}
	}
	if len(made) != 1 {
		t.Errorf("done %d times: %v", len(made), made)
	}
}

func (s *story) steps() []step {
	var roots []byte
	park := ""
	names := newNames("cart", "pay")
	algorithms := map[v1alpha1.KeyAlgorithm]x509.PublicKeyAlgorithm{v1alpha1.Ed25519: x509.Ed25519, v1alpha1.ECDSAP256: x509.ECDSA}
	algorithm := v1alpha1.ECDSAP256
	mode := v1alpha1.MutualTLSPermissive
	secrets := "/api/v1/namespaces/[^/]+/secrets"
	system := "/api/v1/namespaces/" + naming.DefaultNamespace
	own := "/apis/warifu.dev/v1alpha1/"
	identity := secrets + "/" + naming.IdentitySecret("default")
	return []step{
		{name: "issuing", once: true, write: request(http.MethodPost, "/api/v1/namespaces/"+s.shop+"/secrets"),
			begin: func(t *testing.T) { s.create(t, newServiceAccount(s.shop, names())) }},
		{name: "renewing", once: true, write: request(http.MethodPut, identity),
			begin: func(t *testing.T) {
				algorithm = map[v1alpha1.KeyAlgorithm]v1alpha1.KeyAlgorithm{v1alpha1.ECDSAP256: v1alpha1.Ed25519, v1alpha1.Ed25519: v1alpha1.ECDSAP256}[algorithm]
				s.useKeys(t, algorithm)
			},
			done: func(t *testing.T) { s.hasKeys(t, s.shop, algorithms[algorithm]) }},
		{name: "publishing trust", once: true, write: request(http.MethodPut, identity),
			begin: func(t *testing.T) {
				change(t, s.installed, newSecret(naming.DefaultNamespace, naming.SecretCA), func(ca *corev1.Secret) {
					roots = slices.Concat(ca.Data[naming.FileCA], newRoot(t))
					ca.Data[naming.FileCA] = roots
				})
			},
			done: func(t *testing.T) { s.trusts(t, s.shop, roots) }},
		{name: "cleaning up", once: true, write: request(http.MethodDelete, identity),
			begin: func(t *testing.T) {
				park = s.optedIn(s.whole)
				s.sound(t, park)
				change(t, s.installed, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: park}}, func(n *corev1.Namespace) { delete(n.Labels, naming.LabelInjection) })
			},
			done: func(t *testing.T) {
				eventually(t, "cleaning up", func(ctx context.Context) string {
					left, err := s.identities(ctx, park)
					if err != nil || len(left) > 0 {
						return "there are identities"
					}
					return ""
				})
			}},
		{name: "making the TrustDomain", once: true, write: request(http.MethodPost, own+"trustdomains"),
			begin: func(t *testing.T) { s.remove(t, newTrustDomain()) }},
		{name: "telling the state", write: request(http.MethodPatch, own+"trustdomains/"+trustDomain+"/status"),
			begin: func(t *testing.T) { s.remove(t, newTrustDomain()) }},
		{name: "making the CA", once: true, write: request(http.MethodPost, system+"/secrets"),
			begin: func(t *testing.T) {
				s.remove(t, newSecret(naming.DefaultNamespace, naming.SecretCA))
				s.remove(t, newTrustDomain())
			}},
		{name: "publishing the webhook's CA", write: request(http.MethodPatch, "/apis/admissionregistration.k8s.io/v1/.*/"+naming.WebhookMutating),
			begin: s.loseWebhookCA,
			done:  func(t *testing.T) { s.isTrusted(t); s.admits(t, s.shop, "published-"+names()) }},
		{name: "keeping the webhook's CA", once: true, write: request(http.MethodPatch, system+"/secrets/"+naming.SecretWebhookCA),
			begin: s.loseWebhookCA,
			done:  func(t *testing.T) { s.isTrusted(t); s.admits(t, s.shop, "kept-"+names()) }},
		{name: "telling a pod its mode", once: true, write: request(http.MethodPatch, "/api/v1/namespaces/"+s.shop+"/pods/app"),
			begin: func(t *testing.T) { mode = s.switchMode(t, mode) },
			done:  func(t *testing.T) { s.knowsMode(t, "app", mode) }},
		{name: "telling a policy its state", write: request(http.MethodPatch, own+"namespaces/"+s.shop+"/peerauthentications/default/status"),
			begin: func(t *testing.T) { mode = s.switchMode(t, mode) },
			done:  func(t *testing.T) { s.knowsMode(t, "app", mode) }},
		{name: "taking the lead", atStart: true, write: request(http.MethodPost, ".*/leases")},
		{name: "leading", write: request(http.MethodPut, ".*/leases/.*")},
	}
}

func (s *story) loseWebhookCA(t *testing.T) {
	s.remove(t, newSecret(naming.DefaultNamespace, naming.SecretWebhookCA))
}

// isTrusted: the API server trusts what the webhook serves.
func (s *story) isTrusted(t *testing.T) {
	eventually(t, "trust in the webhook", func(ctx context.Context) string {
		secret := newSecret(naming.DefaultNamespace, naming.SecretWebhookCA)
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
			return err.Error()
		}
		var mutating admissionregistrationv1.MutatingWebhookConfiguration
		var validating admissionregistrationv1.ValidatingWebhookConfiguration
		if err := s.Client.Get(ctx, client.ObjectKey{Name: naming.WebhookMutating}, &mutating); err != nil {
			return err.Error()
		}
		if err := s.Client.Get(ctx, client.ObjectKey{Name: naming.WebhookValidator}, &validating); err != nil {
			return err.Error()
		}
		bundles := [][]byte{}
		for _, w := range mutating.Webhooks {
			bundles = append(bundles, w.ClientConfig.CABundle)
		}
		for _, w := range validating.Webhooks {
			bundles = append(bundles, w.ClientConfig.CABundle)
		}
		for _, bundle := range bundles {
			if string(bundle) != string(secret.Data[naming.FileCA]) {
				return "a caBundle is not what the Secret says"
			}
		}
		return ""
	})
}

// switchMode makes or changes the policy of the namespace, and returns its mode.
func (s *story) switchMode(t *testing.T, from v1alpha1.MutualTLSMode) v1alpha1.MutualTLSMode {
	to := v1alpha1.MutualTLSStrict
	if from == to {
		to = v1alpha1.MutualTLSPermissive
	}
	policy := &v1alpha1.PeerAuthentication{ObjectMeta: metav1.ObjectMeta{Namespace: s.shop, Name: "default"}}
	policy.Spec.MTLS = &v1alpha1.MutualTLS{Mode: to}
	eventually(t, "policy", func(ctx context.Context) string { // admission may be about to begin again
		err := s.Client.Create(ctx, policy.DeepCopy())
		if err == nil {
			return ""
		}
		stored := policy.DeepCopy()
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(policy), stored); err != nil {
			return err.Error()
		}
		stored.Spec = policy.Spec
		if err := s.Client.Update(ctx, stored); err != nil {
			return err.Error()
		}
		return ""
	})
	return to
}

// knowsMode: the pod has the mode, and the policy says so of its present generation.
func (s *story) knowsMode(t *testing.T, name string, mode v1alpha1.MutualTLSMode) {
	eventually(t, "mode", func(ctx context.Context) string {
		var pod corev1.Pod
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.shop, Name: name}, &pod); err != nil {
			return err.Error()
		}
		if got := pod.Annotations[naming.AnnotationMTLSMode]; got != string(mode) {
			return "the pod says " + got
		}
		var policy v1alpha1.PeerAuthentication
		if err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.shop, Name: "default"}, &policy); err != nil {
			return err.Error()
		}
		if policy.Status.ObservedGeneration != policy.Generation {
			return "the policy's status is not of its generation"
		}
		return ""
	})
}

// newNames returns one name after the other.
func newNames(names ...string) func() string {
	used := 0
	return func() string {
		used++
		return names[used%len(names)] + "-" + string(rune('a'+used%26))
	}
}

// newRoot is some CA's certificate, in PEM.
func newRoot(t *testing.T) []byte {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "Another CA", Algorithm: pki.ECDSAP256, Lifetime: 24 * time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return pki.EncodeCertificates(ca.Roots...)
}
