package failure_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/warifu/warifu/controllers"
	"github.com/warifu/warifu/internal/naming"
)

// TestClockFourMinutesOff: an operator whose clock is four minutes ahead, or behind, makes a CA and identities that are valid at
// once by everybody else's clock, and its successor with a right clock has nothing to put right. It runs in this process,
// for its clock's sake.
func TestClockFourMinutesOff(t *testing.T) {
	in := install(t)
	in.freeLease(t)
	for _, off := range []time.Duration{4 * time.Minute, -4 * time.Minute} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			proxy := in.newAPIServer(t)
			shop := in.optedIn(t)
			// Nobody serves admission while only these controllers run.
			in.remove(t, &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: naming.WebhookValidator}})
			in.remove(t, newSecret(naming.DefaultNamespace, naming.SecretCA))
			// The operator's own identity is of the CA before: while it lives, a new CA waits to sign.
			in.remove(t, newSecret(naming.DefaultNamespace, naming.IdentitySecret(naming.ServiceAccountOperator)))
			in.remove(t, newTrustDomain())
			stop := in.issueWithClock(t, proxy, func() time.Time { return time.Now().Add(off) })
			in.sound(t, shop) // verified by this machine's clock
			in.isReady(t)
			proxy.isQuiet(t)
			stop()
			proxy.forget()
			in.applyChart(t)
			in.startReady(t, proxy)
			in.create(t, newServiceAccount(shop, "later"))
			in.sound(t, shop)
			proxy.isQuiet(t)
			if made := identityWrites(proxy); len(made) != 1 {
				t.Errorf("the successor wrote %v, want one Secret", made)
			}
		})
	}
}

// issueWithClock runs the identity controllers by another clock.
func (in installed) issueWithClock(t *testing.T, proxy *apiServer, now func() time.Time) (stop func()) {
	t.Helper()
	access, err := in.As(t.Context(), naming.DefaultNamespace, naming.ServiceAccountOperator)
	if err != nil {
		t.Fatal(err)
	}
	access.Host, access.CAData = proxy.url, proxy.ca
	mgr, err := ctrl.NewManager(access, ctrl.Options{
		Scheme:     in.Client.Scheme(),
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: new(true)},
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{&corev1.Secret{}: {Namespaces: map[string]cache.Config{
			cache.AllNamespaces:     {LabelSelector: labels.SelectorFromSet(labels.Set{naming.LabelManagedBy: naming.ManagedBy})},
			naming.DefaultNamespace: {LabelSelector: labels.Everything()},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = controllers.SetupIdentities(mgr, controllers.IdentityOptions{TrustDomain: trustDomain, Namespace: naming.DefaultNamespace, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	}
}
