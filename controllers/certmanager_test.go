package controllers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/certmanager"
)

// authority is a CA of the test's own: a root, as an issuer's Secret has it.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	return newAuthorityUnder(t, name, nil, 1000*time.Hour)
}

// newAuthorityUnder makes a CA below another, or a root where there is none.
func newAuthorityUnder(t *testing.T, name string, parent *authority, life time.Duration) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key}
	if parent == nil {
		parent = a
	}
	a.cert = parent.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}, key.Public())
	return a
}

func (a *authority) sign(t testing.TB, template *x509.Certificate, key any) *x509.Certificate {
	t.Helper()
	parent := a.cert
	if parent == nil {
		parent = template
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) pem() string { return string(pki.EncodeCertificates(a.cert)) }

// secret is the Secret of an issuer with this CA. Chain and told are what it says beside its own certificate.
func (a *authority) secret(t testing.TB, namespace, name string, chain ...*authority) *corev1.Secret {
	t.Helper()
	key, err := pki.EncodeKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert := a.pem()
	for _, above := range chain {
		cert += above.pem()
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{naming.FileCert: []byte(cert), naming.FileKey: key},
	}
}

func caIssuer(secret string) certmanagerv1.IssuerSpec {
	return certmanagerv1.IssuerSpec{IssuerConfig: certmanagerv1.IssuerConfig{CA: &certmanagerv1.CAIssuer{SecretName: secret}}}
}

// issuer makes an Issuer with a CA in the realm's namespace.
func (r *realm) issuer(name string, a *authority, chain ...*authority) {
	r.Helper()
	r.create(a.secret(r, r.namespace, name, chain...), &certmanagerv1.Issuer{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: name}, Spec: caIssuer(name),
	})
}

// clusterIssuer makes a ClusterIssuer with a CA, named after the realm.
func (r *realm) clusterIssuer(a *authority) string {
	r.Helper()
	const namespace = "cert-manager" // where ClusterIssuers have their Secrets
	err := r.Client.Create(r.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		r.Fatal(err)
	}
	object := &certmanagerv1.ClusterIssuer{ObjectMeta: metav1.ObjectMeta{Name: r.namespace}, Spec: caIssuer(r.namespace)}
	r.create(a.secret(r, namespace, r.namespace), object)
	r.Cleanup(func() {
		if err := r.Client.Delete(context.Background(), object); client.IgnoreNotFound(err) != nil {
			r.Error(err)
		}
	})
	return object.Name
}

// ask makes the realm's TrustDomain ask for an issuer, making the object where there is none.
func (r *realm) ask(kind v1alpha1.IssuerType, spec *v1alpha1.CertManagerSpec) {
	r.Helper()
	want := v1alpha1.IssuerSpec{Type: kind, CertManager: spec}
	err := r.Client.Create(r.Context(), &v1alpha1.TrustDomain{
		ObjectMeta: metav1.ObjectMeta{Name: r.trustDomain}, Spec: v1alpha1.TrustDomainSpec{Issuer: want},
	})
	if apierrors.IsAlreadyExists(err) {
		change(r, &v1alpha1.TrustDomain{}, "", r.trustDomain, func(d *v1alpha1.TrustDomain) { d.Spec.Issuer = want })
		return
	}
	if err != nil {
		r.Fatal(err)
	}
}

func named(kind, name, roots string) *v1alpha1.CertManagerSpec {
	return &v1alpha1.CertManagerSpec{IssuerRef: v1alpha1.IssuerReference{Kind: kind, Name: name}, Roots: roots}
}

// signedBy waits for an identity that leads to a root, shown as its files do, and checks it with openssl.
func (r *realm) signedBy(namespace, name string, root *authority, intermediates int) *corev1.Secret {
	r.Helper()
	secret := r.identitySecret(namespace, name, func(s *corev1.Secret) bool {
		return string(s.Data[naming.FileCA]) == root.pem()
	})
	chain, err := pki.ParseCertificates(secret.Data[naming.FileCert])
	if err != nil {
		r.Fatal(err)
	}
	if len(chain) != 1+intermediates {
		r.Errorf("tls.crt has %d certificates, want %d", len(chain), 1+intermediates)
	}
	want := fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", r.trustDomain, namespace, name)
	if cert := chain[0]; len(cert.URIs) != 1 || cert.URIs[0].String() != want || len(cert.DNSNames) != 0 || cert.Subject.String() != "" {
		r.Errorf("names %v %v %q, want %s alone", cert.URIs, cert.DNSNames, cert.Subject, want)
	}
	opensslVerify(r.T, secret)
	return secret
}

func TestIntermediateFromCertManager(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{Approve: true})
	namespace := r.Namespace(t, optedIn)
	root := newAuthority(t, "corporate root")
	r.issuer("corporate", root)
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("", "corporate", ""))
	r.start()

	ready := r.condition(v1alpha1.ConditionReady, "True Ready")
	r.condition(v1alpha1.ConditionIssuerReady, "True Ready")
	first := r.signedBy(namespace, "default", root, 1)
	s := r.condition(v1alpha1.ConditionIdentitiesIssued, "True Issued").Status
	if len(s.Roots) != 1 || s.Signer == nil || s.Signer.SHA256 == s.Roots[0].SHA256 || s.Issuer != v1alpha1.IssuerCertManagerIntermediate {
		t.Errorf("status: %+v", s)
	}
	if life := s.Signer.NotAfter.Sub(s.Signer.NotBefore.Time); life != 2160*time.Hour && life > 1000*time.Hour {
		t.Errorf("the CA lives %s", life)
	}
	certificate := &certmanagerv1.Certificate{}
	if err := r.get(certificate, r.namespace, naming.SecretIntermediate); err != nil {
		t.Fatal(err)
	}
	if s := certificate.Spec; !s.IsCA || s.IssuerRef.Kind != "Issuer" || s.PrivateKey.RotationPolicy != certmanagerv1.RotationPolicyAlways {
		t.Errorf("Certificate: %+v", s)
	}

	// Renewed, with a new key, as cert-manager does when it is due; picked up without a restart.
	renew(r, certificate)
	eventually(t, "a new signer", func(context.Context) (string, bool) {
		object := &v1alpha1.TrustDomain{}
		err := r.get(object, "", r.trustDomain)
		return fmt.Sprint(err), err == nil && object.Status.Signer != nil && object.Status.Signer.SHA256 != ready.Status.Signer.SHA256
	})
	r.identitySecret(namespace, "default", func(s *corev1.Secret) bool { return s.ResourceVersion != first.ResourceVersion })
	r.signedBy(namespace, "default", root, 1)

	// The issuer goes: what it issued serves on, for new identities too.
	if err := r.Client.Delete(t.Context(), &certmanagerv1.Issuer{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "corporate"}}); err != nil {
		t.Fatal(err)
	}
	r.condition(v1alpha1.ConditionIssuerReady, "False IssuerNotFound")
	r.event("default", r.trustDomain, corev1.EventTypeWarning, "IssuerNotFound")
	r.condition(v1alpha1.ConditionReady, "True Ready")
	r.create(serviceAccount(namespace, "late"))
	r.signedBy(namespace, "late", root, 1)
}

// renew does what cert-manager does when a Certificate is due.
func renew(r *realm, certificate *certmanagerv1.Certificate) {
	r.Helper()
	eventually(r.T, "renewing", func(ctx context.Context) (string, bool) {
		if err := r.get(certificate, certificate.Namespace, certificate.Name); err != nil {
			return err.Error(), false
		}
		now := metav1.Now()
		certificate.Status.Conditions = slices.DeleteFunc(certificate.Status.Conditions, func(c certmanagerv1.CertificateCondition) bool {
			return c.Type == certmanagerv1.CertificateConditionIssuing
		})
		certificate.Status.Conditions = append(certificate.Status.Conditions, certmanagerv1.CertificateCondition{
			Type: certmanagerv1.CertificateConditionIssuing, Status: cmmeta.ConditionTrue, Reason: "ManuallyTriggered",
			LastTransitionTime: &now, ObservedGeneration: certificate.Generation,
		})
		err := r.Client.Status().Update(ctx, certificate)
		return fmt.Sprint(err), err == nil
	})
}
