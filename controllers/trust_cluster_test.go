package controllers

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

// broughtCA is the Secret of a CA that somebody made; all have the same subject.
func broughtCA(t *testing.T, namespace string) (*corev1.Secret, *pki.CA) {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "Corporate CA", Algorithm: pki.ECDSAP256, Lifetime: 48 * time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	files, err := ca.Files()
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "corporate-ca"}, Type: corev1.SecretTypeTLS, Data: dataOf(files)}, ca
}

// TestSwapOfABroughtCA: the CA that somebody brought is replaced by another, then by a third with the operator restarted in
// the middle. At every moment every identity verifies every other.
func TestSwapOfABroughtCA(t *testing.T) {
	r := newRealm(t)
	secret, first := broughtCA(t, r.namespace)
	domain := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: r.trustDomain}}
	domain.Spec.CA.SecretName = secret.Name
	r.create(secret, domain)
	namespace := r.Namespace(t, optedIn)
	for i := range 5 {
		r.create(serviceAccount(namespace, fmt.Sprintf("app-%d", i)))
	}
	stop := r.start()
	for i := range 5 {
		r.identitySecret(namespace, fmt.Sprintf("app-%d", i), nil)
	}
	r.signedAlone(namespace, first)
	r.condition(v1alpha1.ConditionRootsSettled, "True Settled")
	seen := r.watchTrust(namespace)

	replacement, second := broughtCA(t, r.namespace)
	change(r, &corev1.Secret{}, r.namespace, secret.Name, func(s *corev1.Secret) { s.Data = replacement.Data })
	r.signedAlone(namespace, second)
	r.condition(v1alpha1.ConditionRootsSettled, "True Settled")
	if seen.both(first, second) == 0 {
		t.Error("the second CA signed before anybody trusted it, or nobody was seen to")
	}

	replacement, third := broughtCA(t, r.namespace)
	change(r, &corev1.Secret{}, r.namespace, secret.Name, func(s *corev1.Secret) { s.Data = replacement.Data })
	eventually(t, "the third CA is trusted by somebody", func(context.Context) (string, bool) { return "", seen.both(second, third) > 0 })
	stop()
	r.start()
	r.signedAlone(namespace, third)
	object := r.condition(v1alpha1.ConditionRootsSettled, "True Settled")
	if len(object.Status.Roots) != 1 || object.Status.Signer.SerialNumber != third.Signer.SerialNumber.Text(16) {
		t.Errorf("status: %+v", object.Status)
	}
	seen.report(t)
}

// TestRefusedSwap: what does not fit is refused with the reason. What was issued stays, and a CA that fits ends the matter.
func TestRefusedSwap(t *testing.T) {
	r := newRealm(t)
	secret, first := broughtCA(t, r.namespace)
	domain := &v1alpha1.TrustDomain{ObjectMeta: metav1.ObjectMeta{Name: r.trustDomain}}
	domain.Spec.CA.SecretName = secret.Name
	r.create(secret, domain)
	namespace := r.Namespace(t, optedIn)
	r.start()
	before := r.identitySecret(namespace, "default", nil)
	other, _ := broughtCA(t, r.namespace)
	change(r, &corev1.Secret{}, r.namespace, secret.Name, func(s *corev1.Secret) { s.Data[naming.FileKey] = other.Data[naming.FileKey] })
	object := r.condition(v1alpha1.ConditionReady, "False CAUnreadable")
	if len(object.Status.Roots) != 1 {
		t.Errorf("roots: %v", object.Status.Roots)
	}
	if after := r.identitySecret(namespace, "default", nil); after.ResourceVersion != before.ResourceVersion {
		t.Error("an identity was written while nothing can be signed")
	}
	change(r, &corev1.Secret{}, r.namespace, secret.Name, func(s *corev1.Secret) { s.Data = secret.Data })
	r.condition(v1alpha1.ConditionReady, "True Ready")
	r.signedAlone(namespace, first)
}

// TestAdditionalRoots: they are trusted by every identity, and shown, as long as the spec names them.
func TestAdditionalRoots(t *testing.T) {
	r := newRealm(t)
	namespace := r.Namespace(t, optedIn)
	r.start()
	r.identitySecret(namespace, "default", nil)
	_, partner := broughtCA(t, r.namespace)
	trusts := func(want bool) func(*corev1.Secret) bool {
		return func(s *corev1.Secret) bool {
			return strings.Contains(string(s.Data[naming.FileCA]), string(pki.EncodeCertificates(partner.Signer))) == want
		}
	}
	change(r, &v1alpha1.TrustDomain{}, "", r.trustDomain, func(d *v1alpha1.TrustDomain) {
		d.Spec.AdditionalRoots = string(pki.EncodeCertificates(partner.Signer))
	})
	before := r.identitySecret(namespace, "default", trusts(true))
	eventually(t, "roots in the status", func(context.Context) (string, bool) {
		object := &v1alpha1.TrustDomain{}
		err := r.get(object, "", r.trustDomain)
		return fmt.Sprint(object.Status.Roots, err), len(object.Status.Roots) == 2
	})
	change(r, &v1alpha1.TrustDomain{}, "", r.trustDomain, func(d *v1alpha1.TrustDomain) { d.Spec.AdditionalRoots = "nonsense" })
	r.condition(v1alpha1.ConditionReady, "False InvalidSpec")
	change(r, &v1alpha1.TrustDomain{}, "", r.trustDomain, func(d *v1alpha1.TrustDomain) { d.Spec.AdditionalRoots = "" })
	after := r.identitySecret(namespace, "default", trusts(false))
	if string(after.Data[naming.FileCert]) != string(before.Data[naming.FileCert]) {
		t.Error("other roots do not need other certificates")
	}
}

// signedAlone waits until every identity of the namespace is signed by the CA and trusts its root alone.
func (r *realm) signedAlone(namespace string, ca *pki.CA) {
	r.Helper()
	eventually(r.T, "identities by another CA", func(ctx context.Context) (string, bool) {
		var list corev1.SecretList
		if err := r.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{naming.LabelKind: naming.KindIdentity}); err != nil {
			return err.Error(), false
		}
		for _, secret := range list.Items {
			chain, err := pki.ParseCertificates(secret.Data[naming.FileCert])
			if err != nil {
				return err.Error(), false
			}
			if err := chain[0].CheckSignatureFrom(ca.Signer); err != nil {
				return secret.Name + ": " + err.Error(), false
			}
			if string(secret.Data[naming.FileCA]) != string(pki.EncodeCertificates(ca.Roots...)) {
				return secret.Name + " has other roots", false
			}
		}
		return "none", len(list.Items) > 0
	})
}

// trustSeen is what was seen of the identities of a namespace, one change at a time.
type trustSeen struct {
	mu       sync.Mutex
	data     map[string]map[string][]byte
	roots    []string // every ca.crt that was seen
	problems []string
}

// watchTrust verifies every identity by every other one's roots, after each change.
func (r *realm) watchTrust(namespace string) *trustSeen {
	r.Helper()
	watcher, err := client.NewWithWatch(r.Config, client.Options{Scheme: r.Client.Scheme()})
	if err != nil {
		r.Fatal(err)
	}
	changes, err := watcher.Watch(r.Context(), &corev1.SecretList{}, client.InNamespace(namespace), client.MatchingLabels{naming.LabelKind: naming.KindIdentity})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(changes.Stop)
	seen := &trustSeen{data: map[string]map[string][]byte{}}
	go func() {
		for event := range changes.ResultChan() {
			if secret, ok := event.Object.(*corev1.Secret); ok && event.Type != watch.Deleted {
				seen.change(secret)
			}
		}
	}()
	return seen
}

func (s *trustSeen) change(secret *corev1.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[secret.Name] = secret.Data
	s.roots = append(s.roots, string(secret.Data[naming.FileCA]))
	for _, one := range slices.Sorted(maps.Keys(s.data)) {
		for _, other := range slices.Sorted(maps.Keys(s.data)) {
			if err := verifies(s.data[one][naming.FileCert], s.data[other][naming.FileCA]); err != nil {
				s.problems = append(s.problems, fmt.Sprintf("%s is not trusted by %s: %v", one, other, err))
			}
		}
	}
}

func verifies(cert, ca []byte) error {
	chain, err := pki.ParseCertificates(cert)
	if err != nil {
		return err
	}
	roots, below := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, c := range chain[1:] {
		below.AddCert(c)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: below, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// both is how often a ca.crt with two roots was seen.
func (s *trustSeen) both(a, b *pki.CA) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, roots := range s.roots {
		if strings.Contains(roots, string(pki.EncodeCertificates(a.Signer))) && strings.Contains(roots, string(pki.EncodeCertificates(b.Signer))) {
			n++
		}
	}
	return n
}

func (s *trustSeen) report(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%d changes seen", len(s.roots))
	for _, problem := range s.problems {
		t.Error(problem)
	}
}
