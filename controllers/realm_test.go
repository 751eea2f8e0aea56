package controllers

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

var optedIn = map[string]string{naming.LabelInjection: naming.InjectionEnabled}

// realm is an operator's own namespace and trust domain on the shared control plane.
type realm struct {
	*testing.T
	*cluster.Cluster
	namespace   string
	trustDomain string
	options     IdentityOptions
	// rights are what the operator runs with; nil is an administrator's.
	rights *rest.Config
}

// newRealm makes a namespace for an operator; the trust domain has its name.
func newRealm(t *testing.T) *realm {
	t.Helper()
	return newRealmOn(t, cluster.Require(t))
}

func newRealmOn(t *testing.T, c *cluster.Cluster) *realm {
	t.Helper()
	namespace := c.Namespace(t, nil)
	r := &realm{T: t, Cluster: c, namespace: namespace, trustDomain: namespace + ".local"}
	r.options = IdentityOptions{TrustDomain: identity.TrustDomain(r.trustDomain), Namespace: namespace}
	t.Cleanup(func() {
		object := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: r.trustDomain}}
		if err := c.Client.Delete(context.Background(), object); client.IgnoreNotFound(err) != nil {
			t.Errorf("deleting the TrustDomain: %v", err)
		}
	})
	return r
}

// start runs the identity controllers until stop is called or the test ends.
func (r *realm) start() (stop func()) {
	r.Helper()
	skipNameValidation := true
	ours := labels.SelectorFromSet(labels.Set{naming.LabelManagedBy: naming.ManagedBy})
	rights := r.Config
	if r.rights != nil {
		rights = r.rights
	}
	mgr, err := ctrl.NewManager(rights, ctrl.Options{
		Scheme:     r.Client.Scheme(),
		Metrics:    server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &skipNameValidation},
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {Namespaces: map[string]cache.Config{
			cache.AllNamespaces: {LabelSelector: ours},
			r.namespace:         {LabelSelector: labels.Everything()},
		}}}},
	})
	if err != nil {
		r.Fatal(err)
	}
	if err := SetupIdentities(mgr, r.options); err != nil {
		r.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			r.Errorf("the manager ended: %v", err)
		}
	}
	r.Cleanup(stop)
	return stop
}

func (r *realm) create(objects ...client.Object) {
	r.Helper()
	for _, object := range objects {
		if err := r.Client.Create(r.Context(), object); err != nil {
			r.Fatalf("creating %T %s: %v", object, object.GetName(), err)
		}
	}
}

func (r *realm) get(object client.Object, namespace, name string) error {
	return r.Client.Get(r.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
}

// change updates an object until nobody was faster.
func change[T client.Object](r *realm, object T, namespace, name string, edit func(T)) {
	r.Helper()
	eventually(r.T, "changing "+name, func(context.Context) (string, bool) {
		if err := r.get(object, namespace, name); err != nil {
			return err.Error(), false
		}
		edit(object)
		if err := r.Client.Update(r.Context(), object); err != nil {
			return err.Error(), false
		}
		return "", true
	})
}

func serviceAccount(namespace, name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// identitySecret waits for the Secret of a ServiceAccount to hold.
func (r *realm) identitySecret(namespace, name string, holds func(*corev1.Secret) bool) *corev1.Secret {
	r.Helper()
	secret := &corev1.Secret{}
	eventually(r.T, "identity Secret of "+name, func(context.Context) (string, bool) {
		*secret = corev1.Secret{}
		if err := r.get(secret, namespace, naming.IdentitySecret(name)); err != nil {
			return err.Error(), false
		}
		return fmt.Sprintf("resourceVersion %s", secret.ResourceVersion), holds == nil || holds(secret)
	})
	return secret
}

func (r *realm) noIdentitySecret(namespace, name string) {
	r.Helper()
	eventually(r.T, "identity Secret of "+name+" to go", func(context.Context) (string, bool) {
		err := r.get(&corev1.Secret{}, namespace, naming.IdentitySecret(name))
		return fmt.Sprint(err), apierrors.IsNotFound(err)
	})
}

// condition waits for a condition "status reason" of the realm's TrustDomain.
func (r *realm) condition(kind, want string) *v1alpha1.TrustDomain {
	r.Helper()
	object := &v1alpha1.TrustDomain{}
	eventually(r.T, kind+" of the TrustDomain", func(context.Context) (string, bool) {
		*object = v1alpha1.TrustDomain{}
		if err := r.get(object, "", r.trustDomain); err != nil {
			return err.Error(), false
		}
		c := meta.FindStatusCondition(object.Status.Conditions, kind)
		if c == nil {
			return "no condition", false
		}
		return fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message), string(c.Status)+" "+c.Reason == want
	})
	return object
}

// event waits for an event about an object.
func (r *realm) event(namespace, name, kind, reason string) {
	r.Helper()
	eventually(r.T, "event "+reason+" about "+name, func(ctx context.Context) (string, bool) {
		var list eventsv1.EventList
		if err := r.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return err.Error(), false
		}
		return fmt.Sprintf("%d events", len(list.Items)), slices.ContainsFunc(list.Items, func(e eventsv1.Event) bool {
			return e.Regarding.Name == name && e.Type == kind && e.Reason == reason
		})
	})
}

func leafOf(t testing.TB, secret *corev1.Secret) *x509.Certificate {
	t.Helper()
	chain, err := pki.ParseCertificates(secret.Data[naming.FileCert])
	if err != nil {
		t.Fatal(err)
	}
	return chain[0]
}
