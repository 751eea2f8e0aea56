package failure_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
)

const trustDomain = "cluster.local"

func newTrustDomain() *v1alpha1.TrustDomain {
	return &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: trustDomain}}
}

func newSecret(namespace, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

func newServiceAccount(namespace, name string) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// sound waits until nothing is lost and nothing orphaned: every ServiceAccount of the namespace has an identity that is signed
// by the present CA and verifies, and there is no other.
func (in installed) sound(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, "identities of "+namespace, func(ctx context.Context) string { return in.unsound(ctx, namespace) })
}

func (in installed) unsound(ctx context.Context, namespace string) string {
	ca := newSecret(naming.DefaultNamespace, naming.SecretCA)
	if err := in.Client.Get(ctx, client.ObjectKeyFromObject(ca), ca); err != nil {
		return err.Error()
	}
	var accounts corev1.ServiceAccountList
	if err := in.Client.List(ctx, &accounts, client.InNamespace(namespace)); err != nil {
		return err.Error()
	}
	identities, err := in.identities(ctx, namespace)
	if err != nil {
		return err.Error()
	}
	for i := range accounts.Items {
		name := naming.IdentitySecret(accounts.Items[i].Name)
		secret, there := identities[name]
		if !there {
			return name + " is missing"
		}
		if problem := unsoundIdentity(&secret, &accounts.Items[i], ca); problem != "" {
			return name + ": " + problem
		}
		delete(identities, name)
	}
	if len(identities) > 0 {
		return fmt.Sprintf("orphaned: %v", slices.Sorted(maps.Keys(identities)))
	}
	return ""
}

// identities are the identity Secrets of a namespace, by name.
func (in installed) identities(ctx context.Context, namespace string) (map[string]corev1.Secret, error) {
	var list corev1.SecretList
	err := in.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{naming.LabelKind: naming.KindIdentity})
	found := map[string]corev1.Secret{}
	for _, secret := range list.Items {
		found[secret.Name] = secret
	}
	return found, err
}

func unsoundIdentity(secret *corev1.Secret, account *corev1.ServiceAccount, ca *corev1.Secret) string {
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.UID != account.UID {
		return fmt.Sprintf("it is owned by %v", owner)
	}
	pair, err := tls.X509KeyPair(secret.Data[naming.FileCert], secret.Data[naming.FileKey])
	if err != nil {
		return err.Error()
	}
	for _, roots := range [][]byte{secret.Data[naming.FileCA], ca.Data[naming.FileCA]} {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(roots)
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			return err.Error()
		}
	}
	want := "spiffe://" + trustDomain + "/ns/" + account.Namespace + "/sa/" + account.Name
	if len(pair.Leaf.URIs) != 1 || pair.Leaf.URIs[0].String() != want {
		return fmt.Sprintf("it names %v", pair.Leaf.URIs)
	}
	return ""
}

// trusts waits until every identity of the namespace has exactly the roots of the CA's Secret.
func (in installed) trusts(t *testing.T, namespace string, roots []byte) {
	t.Helper()
	eventually(t, "trust in "+namespace, func(ctx context.Context) string {
		identities, err := in.identities(ctx, namespace)
		if err != nil {
			return err.Error()
		}
		for name, secret := range identities {
			if !bytes.Equal(secret.Data[naming.FileCA], roots) {
				return name + " has other roots"
			}
		}
		return ""
	})
}

// hasKeys waits until every identity of the namespace, and the operator's own, has a key of the algorithm.
func (in installed) hasKeys(t *testing.T, namespace string, algorithm x509.PublicKeyAlgorithm) {
	t.Helper()
	eventually(t, "keys in "+namespace, func(ctx context.Context) string {
		identities, err := in.identities(ctx, namespace)
		if err != nil {
			return err.Error()
		}
		own, err := in.identities(ctx, naming.DefaultNamespace)
		if err != nil {
			return err.Error()
		}
		maps.Copy(identities, own)
		for name, secret := range identities {
			pair, err := tls.X509KeyPair(secret.Data[naming.FileCert], secret.Data[naming.FileKey])
			if err != nil {
				return err.Error()
			}
			if pair.Leaf.PublicKeyAlgorithm != algorithm {
				return name + " has a key of " + pair.Leaf.PublicKeyAlgorithm.String()
			}
		}
		return ""
	})
}

// isReady waits until the TrustDomain is ready.
func (in installed) isReady(t *testing.T) {
	t.Helper()
	eventually(t, "the TrustDomain", func(ctx context.Context) string {
		object := newTrustDomain()
		if err := in.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err.Error()
		}
		if !meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady) {
			return fmt.Sprintf("%+v", object.Status.Conditions)
		}
		return ""
	})
}

// admits waits until a pod of the namespace is created and injected, and returns it.
func (in installed) admits(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	eventually(t, "admission of "+name, func(ctx context.Context) string {
		pod = &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "registry.example/app:1"}}},
		}
		if err := in.Client.Create(ctx, pod); err != nil {
			return err.Error()
		}
		return ""
	})
	if pod.Annotations[naming.AnnotationStatus] == "" {
		t.Fatalf("pod %s is not injected: %v", name, pod.Annotations)
	}
	return pod
}

// optedIn makes a namespace that takes part.
func (in installed) optedIn(t *testing.T) string {
	t.Helper()
	return in.Namespace(t, map[string]string{naming.LabelInjection: naming.InjectionEnabled})
}

// useKeys asks for keys of another algorithm, which renews every identity.
func (in installed) useKeys(t *testing.T, algorithm v1alpha1.KeyAlgorithm) {
	t.Helper()
	change(t, in, newTrustDomain(), func(d *v1alpha1.TrustDomain) { d.Spec.WorkloadCertificates.KeyAlgorithm = algorithm })
}

// stopwatch logs how long something took.
func stopwatch(t *testing.T, what string) func() {
	begin := time.Now()
	return func() { t.Logf("%s: %s", what, time.Since(begin).Round(10*time.Millisecond)) }
}
