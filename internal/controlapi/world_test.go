package controlapi

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	proxyside "github.com/warifu/warifu/internal/controlapi/client"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

const (
	trustDomain = "cluster.local"
	rootNS      = "warifu-system"
)

// material is a fixed mtls.Source.
type material struct{ fixed *mtls.Material }

func (m material) Material() (*mtls.Material, error) { return m.fixed, nil }

// world is what several replicas and proxies share: a CA, and an API server that reviews.
type world struct {
	t  testing.TB
	ca *pki.CA

	mu      sync.Mutex
	tokens  map[string]authenticationv1.TokenReviewStatus
	reviews int
	down    bool
	secrets map[types.NamespacedName]map[string][]byte
	// readers are the usernames that may get Secrets.
	readers map[string]bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "test", Algorithm: pki.ECDSAP256, Lifetime: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		t: t, ca: ca, tokens: map[string]authenticationv1.TokenReviewStatus{},
		secrets: map[types.NamespacedName]map[string][]byte{}, readers: map[string]bool{},
	}
}

func idOf(t testing.TB, namespace, account string) identity.ID {
	t.Helper()
	id, err := identity.New(trustDomain, namespace, account)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (w *world) source(id identity.ID) mtls.Source {
	w.t.Helper()
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		w.t.Fatal(err)
	}
	cert, err := w.ca.SignWorkload(pki.WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: time.Hour}, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := mtls.ParseMaterial(pki.EncodeCertificates(cert), keyPEM, pki.EncodeCertificates(w.ca.Roots...))
	if err != nil {
		w.t.Fatal(err)
	}
	return material{m}
}

// Create is the API server's reviews.
func (w *world) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errors.New("connection refused")
	}
	switch review := object.(type) {
	case *authenticationv1.TokenReview:
		w.reviews++
		review.Status = w.tokens[review.Spec.Token]
	case *authorizationv1.SubjectAccessReview:
		a := review.Spec.ResourceAttributes
		review.Status.Allowed = w.readers[review.Spec.User] && a.Resource == "secrets" && a.Verb == "get" && a.Name != ""
	}
	return nil
}

// Get is the API server's Secrets.
func (w *world) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, ok := w.secrets[key]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	object.(*corev1.Secret).Data = data
	return nil
}

// token makes a token of a pod good; change spoils what the API server says of it.
func (w *world) token(pod policy.Workload, change func(*authenticationv1.TokenReviewStatus)) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	status := authenticationv1.TokenReviewStatus{
		Authenticated: true, Audiences: []string{naming.ControlAudience},
		User: authenticationv1.UserInfo{
			Username: "system:serviceaccount:" + pod.Namespace + ":" + pod.ServiceAccount,
			Extra: map[string]authenticationv1.ExtraValue{
				claimPodName: {pod.Name}, claimPodUID: {pod.UID},
			},
		},
	}
	if change != nil {
		change(&status)
	}
	token := "token-" + pod.Name + "-" + pod.UID
	w.tokens[token] = status
	return token
}

// replica is one operator: an index, what it has seen, and a server.
type replica struct {
	index  *policy.Index
	server *Server
	addr   string
	stop   context.CancelFunc

	mu        sync.Mutex
	asOf      proxyconfig.AsOf
	listeners []func(policy.Change)
}

func (r *replica) Listen(listener func(policy.Change)) { r.listeners = append(r.listeners, listener) }
func (r *replica) WaitForSync(context.Context) error   { return nil }
func (r *replica) Reached(seen proxyconfig.AsOf) bool  { return r.AsOf().Reaches(seen) }

func (r *replica) AsOf() proxyconfig.AsOf {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asOf
}

// see has a replica take in a change of a kind, up to a version.
func (r *replica) see(kind string, version uint64, change policy.Change) {
	for _, listener := range r.listeners {
		listener(change)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asOf = r.asOf.With(proxyconfig.AsOf{kind: version})
}

// replica starts one, on an address of its own.
func (w *world) replica() *replica {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	r := &replica{
		index: policy.NewIndex(policy.Settings{RootNamespace: rootNS, TrustDomain: trustDomain, ClusterDomain: "cluster.local"}),
		addr:  listener.Addr().String(), asOf: proxyconfig.AsOf{"Pod": 1},
	}
	own := idOf(w.t, rootNS, naming.ServiceAccountOperator)
	r.server = NewServer(Options{
		Listener: listener, Identity: own, Source: w.source(own), Index: r.index, Feed: r, API: w, Secrets: w, Log: logr.Discard(),
	})
	r.server.patience = 200 * time.Millisecond
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.server.Start(ctx) }()
	r.stop = func() {
		stop()
		if err, open := <-done; open && err != nil {
			w.t.Errorf("the server ended with %v", err)
		}
		close(done)
	}
	r.stop = sync.OnceFunc(r.stop)
	w.t.Cleanup(r.stop)
	return r
}

// pod is a proxied pod of the namespace shop.
func pod(name string) policy.Workload {
	return policy.Workload{
		Namespace: "shop", Name: name, UID: "uid-" + name, ServiceAccount: "cart", Proxied: true,
		Labels: map[string]string{"app": name}, IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(len(name))})},
		Ports: []policy.WorkloadPort{{Name: "tcp", Port: 8080}},
	}
}

// proxy runs the proxy's half for a pod, until stopped.
func (w *world) proxy(address string, p policy.Workload, stateDir string) (*proxyside.Client, context.CancelFunc) {
	w.t.Helper()
	token := w.token(p, nil)
	c := proxyside.New(proxyside.Options{
		Address: address, Server: idOf(w.t, rootNS, naming.ServiceAccountOperator),
		Source: w.source(idOf(w.t, p.Namespace, p.ServiceAccount)),
		Token:  func() (string, error) { return token, nil }, StateDir: stateDir, Version: "test", Log: logr.Discard(),
	})
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		c.Run(ctx)
		close(done)
	}()
	end := sync.OnceFunc(func() {
		stop()
		<-done
	})
	w.t.Cleanup(end)
	return c, end
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// configured waits for a configuration that meets a condition, and acknowledges it.
func configured(t testing.TB, c *proxyside.Client, met func(*proxyconfig.Config) bool) *proxyconfig.Config {
	t.Helper()
	for timeout := time.After(20 * time.Second); ; {
		config, changed := c.Config()
		if config != nil && met(config) {
			c.Ack(config)
			return config
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatal("the configuration did not come in time")
		}
	}
}

func anyConfig(*proxyconfig.Config) bool { return true }
