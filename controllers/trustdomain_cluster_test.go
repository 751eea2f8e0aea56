package controllers

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// caSecret is the Secret of the realm's CA.
func (r *realm) caSecret() *corev1.Secret {
	r.Helper()
	secret := &corev1.Secret{}
	if err := r.get(secret, r.namespace, naming.SecretCA); err != nil {
		r.Fatal(err)
	}
	return secret
}

// TestTwoReplicasMakeOneCA: both start before there is anything, and neither waits for the other.
func TestTwoReplicasMakeOneCA(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	for i := range 5 {
		r.create(serviceAccount(namespace, fmt.Sprintf("sa-%d", i)))
	}
	r.start()
	r.start()
	ca := r.caSecretWhenThere()
	var versions [5]string
	for i := range versions {
		secret := r.identitySecret(namespace, fmt.Sprintf("sa-%d", i), func(s *corev1.Secret) bool {
			return bytes.Equal(s.Data[naming.FileCA], ca.Data[naming.FileCA])
		})
		versions[i] = secret.ResourceVersion
	}
	r.condition(v1alpha1.ConditionIdentitiesIssued, "True Issued")
	for i := range versions {
		if after := r.identitySecret(namespace, fmt.Sprintf("sa-%d", i), nil); after.ResourceVersion != versions[i] {
			t.Errorf("sa-%d: the replicas write over each other: %s, then %s", i, versions[i], after.ResourceVersion)
		}
	}
	if after := r.caSecret(); after.ResourceVersion != ca.ResourceVersion {
		t.Errorf("the CA was written twice: %s, then %s", ca.ResourceVersion, after.ResourceVersion)
	}
}

func (r *realm) caSecretWhenThere() *corev1.Secret {
	r.Helper()
	r.condition(v1alpha1.ConditionReady, "True Ready")
	return r.caSecret()
}

// TestGarbledCA: nothing is signed, nothing is overwritten, what exists stays; and it all goes on when the CA is back.
func TestGarbledCA(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	r.start()
	before := r.identitySecret(namespace, "default", nil)
	good := r.caSecretWhenThere()
	change(r, &corev1.Secret{}, r.namespace, naming.SecretCA, func(s *corev1.Secret) { s.Data[naming.FileKey] = []byte("scrambled") })

	object := r.condition(v1alpha1.ConditionReady, "False CAUnreadable")
	if object.Status.Signer != nil || len(object.Status.Roots) != 1 {
		t.Errorf("signer %v, roots %v", object.Status.Signer, object.Status.Roots)
	}
	r.event("default", r.trustDomain, corev1.EventTypeWarning, "CAUnreadable")
	r.create(serviceAccount(namespace, "late"))
	r.condition(v1alpha1.ConditionIdentitiesIssued, "False Pending")
	if err := r.get(&corev1.Secret{}, namespace, naming.IdentitySecret("late")); !apierrors.IsNotFound(err) {
		t.Errorf("something was signed: %v", err)
	}
	if after := r.identitySecret(namespace, "default", nil); after.ResourceVersion != before.ResourceVersion {
		t.Error("an existing identity was touched")
	}
	if after := r.caSecret(); string(after.Data[naming.FileKey]) != "scrambled" {
		t.Error("the CA was overwritten")
	}

	change(r, &corev1.Secret{}, r.namespace, naming.SecretCA, func(s *corev1.Secret) { s.Data = good.Data })
	r.condition(v1alpha1.ConditionReady, "True Ready")
	r.identitySecret(namespace, "late", nil)
	if after := r.identitySecret(namespace, "default", nil); after.ResourceVersion != before.ResourceVersion {
		t.Error("an existing identity was issued again, by the same CA")
	}
}

// TestLostCAIsNotReplaced, unless somebody asks for a new beginning.
func TestLostCAIsNotReplaced(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	r.start()
	before := r.identitySecret(namespace, "default", nil)
	if err := r.Client.Delete(t.Context(), r.caSecretWhenThere()); err != nil {
		t.Fatal(err)
	}
	object := r.condition(v1alpha1.ConditionReady, "False CAMissing")
	if message := object.Status.Conditions[0].Message; !strings.Contains(message, "restore it from a backup") {
		t.Errorf("no way out: %s", message)
	}
	if err := r.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	r.condition(v1alpha1.ConditionReady, "True Ready")
	r.identitySecret(namespace, "default", func(s *corev1.Secret) bool {
		return !bytes.Equal(s.Data[naming.FileCA], before.Data[naming.FileCA]) && bytes.Equal(s.Data[naming.FileCA], r.caSecret().Data[naming.FileCA])
	})
}

// TestBroughtCA: the Secret of another name is waited for, used with its intermediate, and followed when it changes.
func TestBroughtCA(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	r.create(&v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: r.trustDomain}, Spec: v1alpha1.TrustDomainSpec{CA: v1alpha1.CASpec{SecretName: "ours"}}})
	r.start()
	r.condition(v1alpha1.ConditionReady, "False CAMissing")
	newCA := func() map[string][]byte {
		ca, err := pki.NewCA(pki.CAOptions{CommonName: "brought", Algorithm: pki.ECDSAP384, Lifetime: 48 * time.Hour}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		files, err := ca.Files()
		if err != nil {
			t.Fatal(err)
		}
		return dataOf(files)
	}
	data := newCA()
	r.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "ours"}, Type: corev1.SecretTypeTLS, Data: data})
	r.condition(v1alpha1.ConditionReady, "True Ready")
	first := r.identitySecret(namespace, "default", nil)
	opensslVerify(t, first)
	if !bytes.Equal(first.Data[naming.FileCA], data[naming.FileCA]) {
		t.Error("another CA signs")
	}
	data = newCA()
	change(r, &corev1.Secret{}, r.namespace, "ours", func(s *corev1.Secret) { s.Data = data })
	second := r.identitySecret(namespace, "default", func(s *corev1.Secret) bool { return bytes.Equal(s.Data[naming.FileCA], data[naming.FileCA]) })
	opensslVerify(t, second)
	if err := r.get(&corev1.Secret{}, r.namespace, naming.SecretCA); !apierrors.IsNotFound(err) {
		t.Errorf("a CA was made beside the one that was brought: %v", err)
	}
}

func TestSpecIsObeyedOrRefused(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	r.start()
	before := r.identitySecret(namespace, "default", nil)
	edit := func(edit func(*v1alpha1.WorkloadCertificateSpec)) {
		t.Helper()
		change(r, &v1alpha1.TrustDomain{}, "", r.trustDomain, func(o *v1alpha1.TrustDomain) { edit(&o.Spec.WorkloadCertificates) })
	}
	edit(func(s *v1alpha1.WorkloadCertificateSpec) { s.Lifetime = &metav1.Duration{Duration: time.Minute} })
	object := r.condition(v1alpha1.ConditionReady, "False InvalidSpec")
	ready := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.ConditionReady)
	if !strings.Contains(ready.Message, "spec.workloadCertificates.lifetime") || !strings.Contains(ready.Message, "10m") {
		t.Errorf("message: %s", ready.Message)
	}
	if after := r.identitySecret(namespace, "default", nil); after.ResourceVersion != before.ResourceVersion {
		t.Error("an invalid spec is obeyed")
	}
	edit(func(s *v1alpha1.WorkloadCertificateSpec) {
		s.Lifetime = &metav1.Duration{Duration: time.Hour}
		s.KeyAlgorithm = v1alpha1.Ed25519
	})
	r.condition(v1alpha1.ConditionReady, "True Ready")
	after := r.identitySecret(namespace, "default", func(s *corev1.Secret) bool {
		return pki.AlgorithmOf(leafOf(t, s).PublicKey) == pki.Ed25519
	})
	if life := time.Until(leafOf(t, after).NotAfter); life > time.Hour || life < 50*time.Minute {
		t.Errorf("lives %s", life)
	}
}

func TestOtherTrustDomainIsNotServed(t *testing.T) {
	r := newRealm(t)
	other := newRealm(t)
	r.create(&v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: other.trustDomain}})
	r.start()
	object := other.condition(v1alpha1.ConditionReady, "False NotServed")
	if object.Status.Signer != nil || len(object.Status.Roots) != 0 || len(object.Status.Conditions) != 1 {
		t.Errorf("status: %+v", object.Status)
	}
	r.condition(v1alpha1.ConditionReady, "True Ready")
}

// TestRestartChangesNothing: everything is found again, and nothing is issued twice.
func TestRestartChangesNothing(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	stop := r.start()
	before := r.identitySecret(namespace, "default", nil)
	r.condition(v1alpha1.ConditionIdentitiesIssued, "True Issued")
	stop()
	change(r, &corev1.Namespace{}, "", namespace, func(n *corev1.Namespace) { n.Labels["seen"] = "down" })
	gone := r.Namespace(t, optedIn)
	r.start()
	r.identitySecret(gone, "default", nil) // the restarted operator is at work
	eventually(t, "identities", func(context.Context) (string, bool) {
		object := &v1alpha1.TrustDomain{}
		err := r.get(object, "", r.trustDomain)
		return fmt.Sprint(object.Status.Identities, err), object.Status.Identities.Issued >= 2
	})
	if after := r.identitySecret(namespace, "default", nil); after.ResourceVersion != before.ResourceVersion {
		t.Error("a restart issues again what was valid")
	}
}
