package failure_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/webhooks"
)

// TestSecretsEditedByHand: whatever somebody does to an identity Secret is put right, in that Secret alone, with one write.
func TestSecretsEditedByHand(t *testing.T) {
	in := install(t)
	proxy := in.newAPIServer(t)
	in.startReady(t, proxy)
	shop := in.optedIn(t)
	in.create(t, newServiceAccount(shop, "other"))
	in.sound(t, shop)
	others := func(t *testing.T) map[string][]byte {
		t.Helper()
		var other corev1.Secret
		if err := in.Client.Get(t.Context(), client.ObjectKey{Namespace: shop, Name: naming.IdentitySecret("other")}, &other); err != nil {
			t.Fatal(err)
		}
		return other.Data
	}
	tests := []struct {
		name string
		edit func(*corev1.Secret)
	}{
		{"all files emptied", func(s *corev1.Secret) {
			s.Data = map[string][]byte{naming.FileCert: {}, naming.FileKey: {}}
		}},
		{"no roots", func(s *corev1.Secret) { delete(s.Data, naming.FileCA) }},
		{"another root", func(s *corev1.Secret) { s.Data[naming.FileCA] = slices.Concat(s.Data[naming.FileCA], newRoot(t)) }},
		{"no key", func(s *corev1.Secret) { s.Data[naming.FileKey] = nil }},
		{"nonsense", func(s *corev1.Secret) { s.Data[naming.FileCert] = []byte("nonsense") }},
		{"somebody else's identity", func(s *corev1.Secret) { s.Data = others(t) }},
		{"somebody else's key", func(s *corev1.Secret) { s.Data[naming.FileKey] = others(t)[naming.FileKey] }},
		{"made immutable and emptied", func(s *corev1.Secret) {
			s.Immutable = new(true)
			s.Data[naming.FileCert], s.Data[naming.FileKey] = nil, nil
		}},
	}
	name := naming.IdentitySecret("default")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			proxy.isQuiet(t)
			proxy.forget()
			change(t, in, newSecret(shop, name), test.edit)
			in.mended(t, shop, proxy)
		})
	}
	t.Run("deleted", func(t *testing.T) {
		proxy.isQuiet(t)
		proxy.forget()
		in.remove(t, newSecret(shop, name))
		in.mended(t, shop, proxy)
	})
	t.Run("no longer marked as ours", func(t *testing.T) {
		proxy.isQuiet(t)
		proxy.forget()
		change(t, in, newSecret(shop, name), func(s *corev1.Secret) { s.Labels = nil })
		eventually(t, "the TrustDomain tells", func(ctx context.Context) string {
			domain := newTrustDomain()
			if err := in.Client.Get(ctx, client.ObjectKeyFromObject(domain), domain); err != nil {
				return err.Error()
			}
			c := meta.FindStatusCondition(domain.Status.Conditions, v1alpha1.ConditionIdentitiesIssued)
			if c == nil || c.Reason != v1alpha1.ReasonSecretNotOurs {
				return fmt.Sprint(c)
			}
			return ""
		})
		if made := identityWrites(proxy); len(made) > 0 {
			t.Errorf("somebody's Secret was written: %v", made)
		}
	})
}

// mended waits until the identity is sound and in order again, by one write into one Secret (two where it had to be replaced).
func (in installed) mended(t *testing.T, namespace string, proxy *apiServer) {
	t.Helper()
	eventually(t, "a repair", func(context.Context) string {
		if len(identityWrites(proxy)) == 0 {
			return "nothing written"
		}
		return ""
	})
	in.sound(t, namespace)
	proxy.isQuiet(t)
	ca := newSecret(naming.DefaultNamespace, naming.SecretCA)
	if err := in.Client.Get(t.Context(), client.ObjectKeyFromObject(ca), ca); err != nil {
		t.Fatal(err)
	}
	in.trusts(t, namespace, ca.Data[naming.FileCA])
	made := identityWrites(proxy)
	replaced := len(made) == 2 && strings.HasPrefix(made[0], http.MethodDelete)
	if len(made) != 1 && !replaced {
		t.Errorf("written: %v", made)
	}
}

// identityWrites are the writes to Secrets outside of the operator's namespace.
func identityWrites(proxy *apiServer) []string {
	return slices.DeleteFunc(proxy.succeeded(), func(write string) bool {
		return !strings.Contains(write, "/secrets") || strings.Contains(write, naming.DefaultNamespace)
	})
}

// TestCRDsRemovedAndPutBack: with the kinds go all policies and the TrustDomain. What was issued stays, and goes on being
// issued by the same CA once the kinds are back.
func TestCRDsRemovedAndPutBack(t *testing.T) {
	in := install(t)
	proxy := in.newAPIServer(t)
	operator := in.startReady(t, proxy)
	shop := in.optedIn(t)
	in.sound(t, shop)
	in.isReady(t)
	proxy.isQuiet(t)
	proxy.forget()
	before, err := in.identities(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	var crds apiextensionsv1.CustomResourceDefinitionList
	if err := in.Client.List(t.Context(), &crds); err != nil {
		t.Fatal(err)
	}
	for i := range crds.Items {
		in.remove(t, &crds.Items[i])
	}
	eventually(t, "the end of the kinds", func(ctx context.Context) string {
		var left apiextensionsv1.CustomResourceDefinitionList
		if err := in.Client.List(ctx, &left); err != nil || len(left.Items) > 0 {
			return fmt.Sprint(len(left.Items), err)
		}
		return ""
	})
	pod := in.admits(t, shop, "without-kinds") // pods are admitted all the same
	t.Logf("without the kinds a pod is %s", pod.Annotations[naming.AnnotationMTLSMode])
	in.applyChart(t)
	in.isReady(t)
	in.create(t, newServiceAccount(shop, "afterwards"))
	in.sound(t, shop)
	strict := &v1alpha1.PeerAuthentication{ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "default"},
		Spec: v1alpha1.PeerAuthenticationSpec{MTLS: &v1alpha1.MutualTLS{Mode: v1alpha1.MutualTLSStrict}}}
	eventually(t, "policies work again", func(ctx context.Context) string {
		if err := in.Client.Create(ctx, strict.DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
			return err.Error()
		}
		if err := in.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err.Error()
		}
		if mode := pod.Annotations[naming.AnnotationMTLSMode]; mode != string(v1alpha1.MutualTLSStrict) {
			return "the pod says " + mode
		}
		return ""
	})
	after, err := in.identities(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range before {
		if after[name].ResourceVersion != secret.ResourceVersion {
			t.Errorf("%s was written again", name)
		}
	}
	select {
	case <-operator.done:
		t.Errorf("the operator ended: %v", operator.err)
	default:
	}
}

// TestWebhookCertificateExpired: CA and certificate of the webhook have expired, as in a cluster that was off for years. An
// operator that starts, and one that runs, make them anew, and pods are admitted.
func TestWebhookCertificateExpired(t *testing.T) {
	in := install(t)
	shop := in.optedIn(t)
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprintf("running=%t", running), func(t *testing.T) {
			proxy := in.newAPIServer(t)
			if running {
				in.startReady(t, proxy)
				proxy.isQuiet(t)
			}
			in.expireWebhook(t)
			begin := time.Now()
			if !running {
				in.startReady(t, proxy)
			}
			eventually(t, "a certificate that is valid", func(ctx context.Context) string {
				secret := newSecret(naming.DefaultNamespace, naming.SecretWebhookCA)
				if err := in.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
					return err.Error()
				}
				pair, err := tls.X509KeyPair(secret.Data[naming.FileCert], secret.Data[naming.FileKey])
				if err != nil {
					return err.Error()
				}
				if begin.After(pair.Leaf.NotAfter) {
					return "expired at " + pair.Leaf.NotAfter.String()
				}
				return ""
			})
			in.admits(t, shop, fmt.Sprintf("app-%t", running))
			t.Logf("a pod was admitted after %s", time.Since(begin).Round(time.Millisecond))
		})
	}
}

// expireWebhook puts in place what an operator of two years ago would have made: for its clock the present CA is of no use.
func (in installed) expireWebhook(t *testing.T) {
	t.Helper()
	host, _, err := net.SplitHostPort(in.webhook)
	if err != nil {
		t.Fatal(err)
	}
	past := &webhooks.CertificateReconciler{
		Reader: in.Client, Applier: in.Client, Namespace: naming.DefaultNamespace,
		Clock:   clocktesting.NewFakePassiveClock(time.Now().AddDate(-2, 0, 0)),
		Options: webhooks.CertificateOptions{Names: append(webhooks.ServiceNames(naming.DefaultNamespace), host)},
	}
	key := client.ObjectKey{Namespace: naming.DefaultNamespace, Name: naming.SecretWebhookCA}
	eventually(t, "an expired certificate", func(ctx context.Context) string {
		if _, err := past.Reconcile(ctx, ctrl.Request{NamespacedName: key}); err != nil {
			return err.Error()
		}
		return ""
	})
}
