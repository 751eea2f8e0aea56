package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/warifu/warifu/internal/naming"
)

// apiServer has a Secret and the mutating configuration, and notes what is applied without doing it.
type apiServer struct {
	secret   *corev1.Secret
	mutating *admissionregistrationv1.MutatingWebhookConfiguration
	applied  []string // kinds
	refuse   string   // kind whose apply fails
}

func (a *apiServer) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	switch o := object.(type) {
	case *corev1.Secret:
		if a.secret != nil {
			a.secret.DeepCopyInto(o)
			return nil
		}
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		if a.mutating != nil {
			a.mutating.DeepCopyInto(o)
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (a *apiServer) Apply(_ context.Context, object runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	var kind struct{ Kind string }
	if err := json.Unmarshal(text, &kind); err != nil {
		return err
	}
	if kind.Kind == a.refuse {
		return errors.New("refused")
	}
	a.applied = append(a.applied, kind.Kind)
	return nil
}

func reconcileOnce(t *testing.T, a *apiServer) error {
	t.Helper()
	r := &CertificateReconciler{
		Reader: a, Applier: a, Clock: clocktesting.NewFakePassiveClock(epoch), Namespace: "warifu-system", Options: testOptions,
	}
	key := client.ObjectKey{Namespace: "warifu-system", Name: naming.SecretWebhookCA}
	result, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key})
	if err == nil && result.RequeueAfter == 0 {
		t.Error("nobody would look again")
	}
	return err
}

func configured() *admissionregistrationv1.MutatingWebhookConfiguration {
	o := &admissionregistrationv1.MutatingWebhookConfiguration{Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: "a"}, {Name: "b"}}}
	o.Name, o.UID = naming.WebhookMutating, "u"
	return o
}

// TestTrustComesFirst: what nobody trusts yet is not written, and so not served.
func TestTrustComesFirst(t *testing.T) {
	a := &apiServer{mutating: configured()}
	if err := reconcileOnce(t, a); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"MutatingWebhookConfiguration", "Secret"}, a.applied); diff != "" {
		t.Error(diff)
	}
	a = &apiServer{mutating: configured(), refuse: "MutatingWebhookConfiguration"}
	if err := reconcileOnce(t, a); err == nil || len(a.applied) != 0 {
		t.Errorf("error %v, applied %v", err, a.applied)
	}
}

// TestNothingToDo: with everything in place nothing is written; a bundle that somebody emptied is written again.
func TestNothingToDo(t *testing.T) {
	m := begun(t, epoch)
	written, err := secretOf("warifu-system", m)
	if err != nil {
		t.Fatal(err)
	}
	a := &apiServer{secret: &corev1.Secret{Data: written.Data}, mutating: configured()}
	a.secret.UID, a.secret.Labels = "s", written.Labels
	for i := range a.mutating.Webhooks {
		a.mutating.Webhooks[i].ClientConfig.CABundle = encodeBundle(m)
	}
	if err := reconcileOnce(t, a); err != nil || len(a.applied) != 0 {
		t.Errorf("error %v, applied %v", err, a.applied)
	}
	a.mutating.Webhooks[1].ClientConfig.CABundle = nil
	if err := reconcileOnce(t, a); err != nil || len(a.applied) != 1 {
		t.Errorf("error %v, applied %v", err, a.applied)
	}
}

// TestSecretOfAnother is not touched.
func TestSecretOfAnother(t *testing.T) {
	a := &apiServer{secret: &corev1.Secret{}, mutating: configured()}
	a.secret.UID = "s"
	if err := reconcileOnce(t, a); err == nil || !strings.Contains(err.Error(), "is not Warifu's") || len(a.applied) != 0 {
		t.Errorf("error %v, applied %v", err, a.applied)
	}
}
