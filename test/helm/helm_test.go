package helm_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	admissionregistrationv1ac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
)

const shop = "shop"

// TestHelm is the life of a release, from the first chart there was to one that takes everything with it.
func TestHelm(t *testing.T) {
	r := start(t)
	r.run(t, "install", "warifu", r.first, "--create-namespace")
	made := r.operate(t)
	before := r.uids(t, made)

	t.Run("an upgrade leaves alone what the operator and its users made", func(t *testing.T) {
		notes := r.run(t, "upgrade", "warifu", r.current, "--set", "webhook.url=https://127.0.0.1:9443,log.level=debug")
		if !strings.Contains(notes, "kubectl label namespace") {
			t.Errorf("no next step in:\n%s", notes)
		}
		r.unchanged(t, made, before)
		var policy admissionregistrationv1.ValidatingAdmissionPolicy
		if err := r.Client.Get(t.Context(), client.ObjectKey{Name: "warifu-proxy-containers"}, &policy); err != nil {
			t.Errorf("what is new did not come: %v", err)
		}
	})
	t.Run("so does a rollback, and another upgrade", func(t *testing.T) {
		r.run(t, "rollback", "warifu", "1")
		r.unchanged(t, made, before)
		r.run(t, "upgrade", "warifu", r.current, "--set", "webhook.url=https://127.0.0.1:9443")
		r.unchanged(t, made, before)
	})
	t.Run("a field that was changed by hand stops an upgrade, and can be taken back", func(t *testing.T) {
		upgrade := []string{"upgrade", "warifu", r.current, "--set", "webhook.url=https://127.0.0.1:9443"}
		r.validation(t, admissionregistrationv1.Ignore)
		out, err := r.try(t, upgrade...)
		if err == nil || !strings.Contains(out, "failurePolicy") {
			t.Errorf("%v:\n%s", err, out)
		}
		r.run(t, append(upgrade, "--force-conflicts")...)
		r.unchanged(t, made, before)
	})
	t.Run("a second release is refused", func(t *testing.T) {
		out, err := r.try(t, "install", "second", r.current)
		if err == nil || !strings.Contains(out, "ownership") {
			t.Errorf("%v:\n%s", err, out)
		}
	})
	t.Run("a value that is not known is named", func(t *testing.T) {
		out, err := r.try(t, "upgrade", "warifu", r.current, "--set", "guards.enable=false")
		if err == nil || !strings.Contains(out, "/guards") || !strings.Contains(out, "enable") {
			t.Errorf("%v:\n%s", err, out)
		}
	})
	t.Run("uninstalling takes the webhooks first and leaves identities, CA and policies", func(t *testing.T) { r.uninstall(t, made, before) })
	t.Run("a new installation finds what was left", func(t *testing.T) {
		r.run(t, "install", "warifu", r.current, "--set", "uninstall.purge=true,crds.keep=false")
		for _, o := range made {
			if got := r.uid(t, o); !isInstalled(o) && got != before[key(o)] {
				t.Errorf("%s is another one", key(o))
			}
		}
	})
	t.Run("uninstalling takes everything when told so", func(t *testing.T) { r.purge(t) })
}

// operate does what operator and users do, and returns the objects.
func (r release) operate(t *testing.T) []client.Object {
	t.Helper()
	ours := func(kind string) map[string]string {
		return map[string]string{naming.LabelManagedBy: naming.ManagedBy, naming.LabelKind: kind}
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop, Labels: map[string]string{naming.LabelInjection: naming.InjectionEnabled}}}
	identity := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: naming.IdentitySecret("cart"), Labels: ours(naming.KindIdentity)}}
	ca := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: naming.SecretCA, Labels: ours(naming.KindCA)}}
	webhook := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: naming.SecretWebhookCA, Labels: ours(naming.KindWebhook)}}
	// Neither is the operator's: one lacks its labels, the other the owner.
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: naming.IdentitySecret("mine")}}
	labelled := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: naming.IdentitySecret("users"), Labels: ours(naming.KindIdentity)}}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "cart"}}
	policy := &v1alpha1.PeerAuthentication{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "strict"},
		Spec:       v1alpha1.PeerAuthenticationSpec{MTLS: &v1alpha1.MutualTLS{Mode: v1alpha1.MutualTLSStrict}},
	}
	injector := &admissionregistrationv1.MutatingWebhookConfiguration{}
	if err := r.Client.Get(t.Context(), client.ObjectKey{Name: naming.WebhookMutating}, injector); err != nil {
		t.Fatal(err)
	}
	bundle := admissionregistrationv1ac.MutatingWebhookConfiguration(naming.WebhookMutating)
	for _, w := range injector.Webhooks {
		bundle.WithWebhooks(admissionregistrationv1ac.MutatingWebhook().WithName(w.Name).
			WithClientConfig(admissionregistrationv1ac.WebhookClientConfig().WithCABundle([]byte(caBundle)...)))
	}
	if err := r.Client.Apply(t.Context(), bundle, client.FieldOwner(naming.FieldOwner), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	// Nobody answers for the validator: the policy comes past it.
	r.validation(t, admissionregistrationv1.Ignore)
	made := []client.Object{namespace, account, identity, ca, webhook, foreign, labelled, policy}
	for _, o := range made {
		if o == identity {
			owner := metav1.OwnerReference{APIVersion: "v1", Kind: "ServiceAccount", Name: account.Name, UID: account.UID, Controller: new(true)}
			identity.OwnerReferences = []metav1.OwnerReference{owner}
		}
		eventually(t, "creating "+key(o), func(ctx context.Context) (bool, error) {
			err := r.Client.Create(ctx, o)
			if apierrors.IsInternalError(err) { // the webhook is asked still
				return false, nil
			}
			return err == nil, err
		})
	}
	r.validation(t, admissionregistrationv1.Fail)
	for _, name := range []string{"peerauthentications", "trustdomains"} {
		made = append(made, &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name + "." + naming.Group}})
	}
	return append(made, injector, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultNamespace, Name: "warifu-operator"}})
}

// validation sets what happens to a PeerAuthentication when nobody answers.
func (r release) validation(t *testing.T, policy admissionregistrationv1.FailurePolicyType) {
	t.Helper()
	validator := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: naming.WebhookValidator}}
	patch := fmt.Sprintf(`[{"op":"replace","path":"/webhooks/0/failurePolicy","value":%q}]`, policy)
	if err := r.Client.Patch(t.Context(), validator, client.RawPatch(types.JSONPatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// caBundle is what the operator wrote.
const caBundle = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"

func key(o client.Object) string {
	return fmt.Sprintf("%T %s", o, client.ObjectKeyFromObject(o))
}

// isInstalled tells what Helm installs from what others make.
func isInstalled(o client.Object) bool {
	switch o.(type) {
	case *admissionregistrationv1.MutatingWebhookConfiguration, *appsv1.Deployment:
		return true
	}
	return false
}

// uid is empty for what is not there.
func (r release) uid(t *testing.T, o client.Object) types.UID {
	t.Helper()
	now := o.DeepCopyObject().(client.Object)
	err := r.Client.Get(t.Context(), client.ObjectKeyFromObject(o), now)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil || now.GetDeletionTimestamp() != nil {
		return ""
	}
	return now.GetUID()
}

func (r release) uids(t *testing.T, objects []client.Object) map[string]types.UID {
	t.Helper()
	out := map[string]types.UID{}
	for _, o := range objects {
		out[key(o)] = r.uid(t, o)
	}
	return out
}

// unchanged: all objects are those that were there before, and the API server still trusts the operator's certificate.
func (r release) unchanged(t *testing.T, made []client.Object, before map[string]types.UID) {
	t.Helper()
	if diff := cmp.Diff(before, r.uids(t, made)); diff != "" {
		t.Errorf("other objects (-before +now):\n%s", diff)
	}
	var injector admissionregistrationv1.MutatingWebhookConfiguration
	if err := r.Client.Get(t.Context(), client.ObjectKey{Name: naming.WebhookMutating}, &injector); err != nil {
		t.Fatal(err)
	}
	for _, w := range injector.Webhooks {
		if string(w.ClientConfig.CABundle) != caBundle {
			t.Errorf("caBundle of %s: %q", w.Name, w.ClientConfig.CABundle)
		}
	}
}
