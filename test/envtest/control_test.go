package envtest_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	proxyside "github.com/warifu/warifu/internal/controlapi/client"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
)

// fixed is the material of an identity Secret.
type fixed struct{ material *mtls.Material }

func (f fixed) Material() (*mtls.Material, error) { return f.material, nil }

// proxy is the proxy's half of the control API, in a pod that exists for the API server alone.
type proxy struct {
	*proxyside.Client
	log  *lines
	stop func()
}

// proxiesAreServed: proxies of two pods are served by two replicas, with real identities and tokens, and the policy's status
// counts both. Tokens that prove anything else are refused.
func (in installed) proxiesAreServed(t *testing.T, leader, other *replica, namespace string) {
	one, two := in.sidecar(t, namespace, "served-1"), in.sidecar(t, namespace, "served-2")
	in.announce(t, leader, other)
	a := in.connect(t, leader, one, in.podToken(t, one, naming.ControlAudience))
	b := in.connect(t, other, two, in.podToken(t, two, naming.ControlAudience))
	a.acknowledge(t)
	eventually(t, "a configuration from the other replica", func(context.Context) (string, bool) {
		config, _ := b.Config()
		return b.log.String(), config != nil
	})

	in.create(t, &v1alpha1.AuthorizationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "served"},
		Spec: v1alpha1.AuthorizationPolicySpec{
			Selector: &v1alpha1.WorkloadSelector{MatchLabels: map[string]v1alpha1.LabelValue{"served": "yes"}},
			Action:   v1alpha1.ActionDeny, Rules: []v1alpha1.Rule{{}},
		},
	})
	in.programmedIs(t, namespace, "served", "False Pending: enforced by 1 of 2 proxies")
	b.acknowledge(t)
	in.programmedIs(t, namespace, "served", "True Enforced: enforced by 2 of 2 proxies")

	for name, tt := range map[string]struct{ token, says string }{
		"another audience": {in.podToken(t, two, "https://kubernetes.default.svc"), "not valid"},
		"no pod":           {in.podToken(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}, naming.ControlAudience), "not bound to a pod"},
	} {
		in.connect(t, other, two, tt.token).refused(t, name, tt.says)
	}
	token := in.podToken(t, one, naming.ControlAudience)
	if err := in.Client.Delete(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of a deleted pod's stream", func(context.Context) (string, bool) { return a.log.String(), !a.Connected() })
	in.connect(t, other, one, token).refused(t, "a token of a deleted pod", "not valid")
}

// sidecar makes a pod that the webhook gives a proxy.
func (in installed) sidecar(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	pod := newPod(namespace, name)
	pod.Spec.ServiceAccountName = "cart"
	pod.Labels = map[string]string{naming.LabelDataPlane: naming.DataPlaneSidecar, "served": "yes"}
	in.create(t, pod)
	return pod
}

// podToken is what kubelet would project into a pod; of a pod without a name it is bound to none.
func (in installed) podToken(t *testing.T, pod *corev1.Pod, audience string) string {
	t.Helper()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: ptr.To[int64](3600)}}
	if pod.Name != "" {
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: "cart"}}
	if err := in.Client.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatalf("asking for a token: %v", err)
	}
	return request.Status.Token
}

// connect runs a client with the identity Secret of the pod's ServiceAccount.
func (in installed) connect(t *testing.T, to *replica, pod *corev1.Pod, token string) *proxy {
	t.Helper()
	var secret corev1.Secret
	if err := in.Client.Get(t.Context(), client.ObjectKey{Namespace: pod.Namespace, Name: naming.IdentitySecret("cart")}, &secret); err != nil {
		t.Fatal(err)
	}
	material, err := mtls.ParseMaterial(secret.Data[naming.FileCert], secret.Data[naming.FileKey], secret.Data[naming.FileCA])
	if err != nil {
		t.Fatal(err)
	}
	server, err := identity.New("cluster.local", naming.DefaultNamespace, naming.ServiceAccountOperator)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{log: &lines{}}
	p.Client = proxyside.New(proxyside.Options{
		Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(to.config.Control.Port)), Server: server,
		Source: fixed{material}, Token: func() (string, error) { return token, nil }, Log: p.log.logger(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		p.Run(ctx)
		close(done)
	}()
	p.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(p.stop)
	return p
}

// acknowledge puts every configuration in force, as a proxy does, until the test ends.
func (p *proxy) acknowledge(t *testing.T) {
	ended := t.Context().Done()
	go func() {
		for {
			config, changed := p.Config()
			p.Ack(config)
			select {
			case <-changed:
			case <-ended:
				return
			}
		}
	}()
}

// refused waits for a reason.
func (p *proxy) refused(t *testing.T, name, says string) {
	t.Helper()
	eventually(t, "a refusal of "+name, func(context.Context) (string, bool) {
		return p.log.String(), strings.Contains(p.log.String(), says)
	})
	if config, _ := p.Config(); config != nil {
		t.Errorf("%s: it was told a configuration", name)
	}
	p.stop()
}

// announce makes the replicas known to each other, as Kubernetes does with pods behind a Service: by an address that is not of
// this machine alone.
func (in installed) announce(t *testing.T, replicas ...*replica) {
	t.Helper()
	for i, r := range replicas {
		in.create(t, &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: naming.DefaultNamespace, Name: naming.ServiceControl + "-" + strconv.Itoa(i),
				Labels: map[string]string{discoveryv1.LabelServiceName: naming.ServiceControl},
			},
			AddressType: discoveryv1.AddressTypeIPv4,
			Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("control"), Port: ptr.To(int32(r.config.Control.Port))}},
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{ownAddress(t)}}},
		})
	}
}

// ownAddress is an address of this machine that an EndpointSlice may have.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range all {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	t.Skip("this machine has no IPv4 address but loopback, which no EndpointSlice may have")
	return ""
}

// programmedIs waits for the condition of a policy.
func (in installed) programmedIs(t *testing.T, namespace, name, want string) {
	t.Helper()
	began := time.Now()
	eventually(t, "status of "+name, func(ctx context.Context) (string, bool) {
		var got v1alpha1.AuthorizationPolicy
		if err := in.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &got); err != nil {
			return err.Error(), false
		}
		c := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionProgrammed)
		if c == nil {
			return "without condition", false
		}
		seen := string(c.Status) + " " + c.Reason + ": " + c.Message
		return seen, seen == want
	})
	t.Logf("%q after %s", want, time.Since(began).Round(time.Millisecond))
}
