package controllers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
)

func TestIdentityIsIssuedAheadOfTheFirstPod(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	r.create(serviceAccount(namespace, "cart"))
	other := r.Namespace(t, nil)
	r.start()

	r.condition(v1alpha1.ConditionReady, "True Ready")
	for _, name := range []string{"cart", "default"} {
		secret := r.identitySecret(namespace, name, nil)
		cert := leafOf(t, secret)
		want := fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", r.trustDomain, namespace, name)
		if len(cert.URIs) != 1 || cert.URIs[0].String() != want || len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.EmailAddresses) != 0 {
			t.Errorf("%s: names %v %v, want %s alone", name, cert.URIs, cert.DNSNames, want)
		}
		if life := time.Until(cert.NotAfter); life < 23*time.Hour || life > 24*time.Hour {
			t.Errorf("%s: lives %s", name, life)
		}
		if secret.Type != corev1.SecretTypeTLS || len(secret.Data) != 3 {
			t.Errorf("%s: type %s, %d keys", name, secret.Type, len(secret.Data))
		}
		owner := metav1.GetControllerOf(secret)
		if owner == nil || owner.Kind != "ServiceAccount" || owner.Name != name {
			t.Errorf("%s: owner %v", name, owner)
		}
		opensslVerify(t, secret)
	}
	issued := r.condition(v1alpha1.ConditionIdentitiesIssued, "True Issued")
	if s := issued.Status; len(s.Roots) != 1 || s.Signer == nil || s.Roots[0] != *s.Signer {
		t.Errorf("status: %+v", s)
	}
	eventually(t, "count of identities", func(context.Context) (string, bool) {
		object := &v1alpha1.TrustDomain{}
		err := r.get(object, "", r.trustDomain)
		s := object.Status.Identities
		return fmt.Sprint(s, err), s.Issued >= 2 && s.Failed == 0 && s.NextRenewal != nil
	})
	r.event("default", r.trustDomain, corev1.EventTypeNormal, "Ready")
	if err := r.get(&corev1.Secret{}, other, naming.IdentitySecret("default")); !apierrors.IsNotFound(err) {
		t.Errorf("a namespace that has not opted in has an identity: %v", err)
	}

	r.create(serviceAccount(namespace, "late"))
	r.identitySecret(namespace, "late", nil)
	change(r, &corev1.Namespace{}, "", other, func(n *corev1.Namespace) { n.Labels[naming.LabelInjection] = naming.InjectionEnabled })
	r.identitySecret(other, "default", nil)
}

func opensslVerify(t *testing.T, secret *corev1.Secret) {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("openssl is not installed")
		return
	}
	dir := t.TempDir()
	for name, data := range secret.Data {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, purpose := range []string{"sslserver", "sslclient"} {
		out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", purpose, "-CAfile", filepath.Join(dir, naming.FileCA),
			"-untrusted", filepath.Join(dir, naming.FileCert), filepath.Join(dir, naming.FileCert)).CombinedOutput()
		if err != nil {
			t.Errorf("openssl verify -purpose %s: %v\n%s", purpose, err, out)
		}
	}
}

func TestForeignSecretIsNotTouched(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: naming.IdentitySecret("default")},
		Data:       map[string][]byte{"password": []byte("x")},
	}
	r.create(foreign)
	r.start()
	r.event(namespace, "default", corev1.EventTypeWarning, v1alpha1.ReasonSecretNotOurs)
	object := r.condition(v1alpha1.ConditionIdentitiesIssued, "False SecretNotOurs")
	if object.Status.Identities.Failed != 1 {
		t.Errorf("identities: %+v", object.Status.Identities)
	}
	after := &corev1.Secret{}
	if err := r.get(after, namespace, foreign.Name); err != nil || after.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the Secret was touched: %s to %s, %v", foreign.ResourceVersion, after.ResourceVersion, err)
	}

	// Nor is it removed on opting out.
	change(r, &corev1.Namespace{}, "", namespace, func(n *corev1.Namespace) { n.Labels[naming.LabelInjection] = naming.InjectionDisabled })
	r.condition(v1alpha1.ConditionIdentitiesIssued, "True Issued")
	if err := r.get(after, namespace, foreign.Name); err != nil || after.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the Secret was touched: %s to %s, %v", foreign.ResourceVersion, after.ResourceVersion, err)
	}

	change(r, &corev1.Namespace{}, "", namespace, func(n *corev1.Namespace) { n.Labels[naming.LabelInjection] = naming.InjectionEnabled })
	r.condition(v1alpha1.ConditionIdentitiesIssued, "False SecretNotOurs")
	if err := r.Client.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	change(r, &corev1.ServiceAccount{}, namespace, "default", func(sa *corev1.ServiceAccount) { sa.Annotations = map[string]string{"look": "again"} })
	r.identitySecret(namespace, "default", nil)
	r.event(namespace, "default", corev1.EventTypeNormal, v1alpha1.ReasonIssued)
}

func TestOptingOutRemovesWhatWeMadeAndNothingElse(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	users := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "users", Labels: map[string]string{naming.LabelManagedBy: naming.ManagedBy, naming.LabelKind: naming.KindIdentity},
	}}
	r.create(users)
	r.start()
	r.identitySecret(namespace, "default", nil)
	change(r, &corev1.Namespace{}, "", namespace, func(n *corev1.Namespace) { delete(n.Labels, naming.LabelInjection) })
	r.noIdentitySecret(namespace, "default")

	// A pod that opts in by itself brings the identity of its ServiceAccount back, while it lives.
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "app", Labels: map[string]string{naming.LabelInject: naming.InjectTrue}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "example.org/app"}}},
	}
	r.create(serviceAccount(namespace, "idle"), pod)
	r.identitySecret(namespace, "default", nil)
	if err := r.get(&corev1.Secret{}, namespace, naming.IdentitySecret("idle")); !apierrors.IsNotFound(err) {
		t.Errorf("a ServiceAccount that no opted-in pod uses has an identity: %v", err)
	}
	change(r, &corev1.Namespace{}, "", namespace, func(n *corev1.Namespace) {
		n.Labels[naming.LabelInjection] = naming.InjectionDisabled
	})
	r.noIdentitySecret(namespace, "default") // disabled wins
	change(r, &corev1.Namespace{}, "", namespace, func(n *corev1.Namespace) { delete(n.Labels, naming.LabelInjection) })
	r.identitySecret(namespace, "default", nil)
	if err := r.Client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	r.noIdentitySecret(namespace, "default")
	if err := r.get(users, namespace, "users"); err != nil {
		t.Errorf("somebody else's Secret: %v", err)
	}
}

func TestServiceAccountTakesItsIdentityAlong(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	cart := serviceAccount(namespace, "cart")
	r.create(cart)
	r.start()
	first := r.identitySecret(namespace, "cart", nil)

	// Deleted and made again at once: the new one gets its own Secret, whoever removes the old.
	if err := r.Client.Delete(t.Context(), cart); err != nil {
		t.Fatal(err)
	}
	again := serviceAccount(namespace, "cart")
	r.create(again)
	second := r.identitySecret(namespace, "cart", func(s *corev1.Secret) bool {
		owner := metav1.GetControllerOf(s)
		return owner != nil && owner.UID == again.UID
	})
	if bytes.Equal(first.Data[naming.FileKey], second.Data[naming.FileKey]) {
		t.Error("the new ServiceAccount has the old one's key")
	}
	if err := r.Client.Delete(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	r.noIdentitySecret(namespace, "cart")
}

func TestSecretChangedByHandIsRepaired(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	r.start()
	good := r.identitySecret(namespace, "default", nil)
	id, err := identity.New(identity.TrustDomain(r.trustDomain), namespace, "default")
	if err != nil {
		t.Fatal(err)
	}
	breakages := map[string]func(*corev1.Secret){
		"emptied key":     func(s *corev1.Secret) { s.Data[naming.FileKey] = nil },
		"garbled":         func(s *corev1.Secret) { s.Data[naming.FileCert] = []byte("x") },
		"another's roots": func(s *corev1.Secret) { s.Data[naming.FileCA] = s.Data[naming.FileCert] },
		"frozen, garbled": func(s *corev1.Secret) {
			frozen := true
			s.Immutable, s.Data[naming.FileCert] = &frozen, []byte("x")
		},
	}
	for name, spoil := range breakages {
		change(r, &corev1.Secret{}, namespace, good.Name, func(s *corev1.Secret) {
			s.Labels["team"] = "shop"
			spoil(s)
		})
		repaired := r.identitySecret(namespace, "default", func(s *corev1.Secret) bool {
			return bytes.Equal(s.Data[naming.FileCA], good.Data[naming.FileCA]) && len(s.Data[naming.FileKey]) > 0 && len(s.Data[naming.FileCert]) > 1 && s.Immutable == nil
		})
		if got, err := identity.FromCertificate(leafOf(t, repaired)); err != nil || got != id {
			t.Errorf("%s: names %v, %v", name, got, err)
		}
		if name != "frozen, garbled" && repaired.Labels["team"] != "shop" {
			t.Errorf("%s: a label of the user's is lost: %v", name, repaired.Labels)
		}
	}
}

func TestRenewal(t *testing.T) {
	r := newRealm(t)
	r.options.AllowShortLifetimes = true
	namespace := r.Namespace(t, optedIn)
	r.create(&v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: r.trustDomain}, Spec: v1alpha1.TrustDomainSpec{
		WorkloadCertificates: v1alpha1.WorkloadCertificateSpec{Lifetime: &metav1.Duration{Duration: 10 * time.Second}},
	}})
	r.start()
	keys := map[string]bool{}
	var last *corev1.Secret
	for range 3 {
		last = r.identitySecret(namespace, "default", func(s *corev1.Secret) bool { return !keys[string(s.Data[naming.FileKey])] })
		if left := time.Until(leafOf(t, last).NotAfter); left < 3*time.Second || left > 11*time.Second {
			t.Errorf("a certificate of 10s has %s left when it is seen", left)
		}
		keys[string(last.Data[naming.FileKey])] = true
	}
	if len(keys) != 3 {
		t.Errorf("%d keys in three certificates", len(keys))
	}
	if last.Annotations != nil || len(last.Data) != 3 {
		t.Errorf("renewal left something behind: %v", last.Annotations)
	}
}
