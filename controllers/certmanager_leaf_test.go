package controllers

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/certmanager"
)

// gone waits until what was ordered for a ServiceAccount is not there any more.
func (r *realm) gone(namespace, name string) {
	r.Helper()
	eventually(r.T, "what was ordered for "+name+" to go", func(context.Context) (string, bool) {
		certificate := r.get(&certmanagerv1.Certificate{}, namespace, naming.IssuedSecret(name))
		secret := r.get(&corev1.Secret{}, namespace, naming.IssuedSecret(name))
		return fmt.Sprint(certificate, "; ", secret), apierrors.IsNotFound(certificate) && apierrors.IsNotFound(secret)
	})
}

func (r *realm) certificate(namespace, name string) *certmanagerv1.Certificate {
	r.Helper()
	certificate := &certmanagerv1.Certificate{}
	if err := r.get(certificate, namespace, naming.IssuedSecret(name)); err != nil {
		r.Fatal(err)
	}
	return certificate
}

func TestLeavesFromCertManager(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{})
	namespace := r.Namespace(t, optedIn)
	root := newAuthority(t, "mesh root")
	r.ask(v1alpha1.IssuerCertManagerLeaf, named("ClusterIssuer", r.clusterIssuer(root), root.pem()))
	r.start()

	r.condition(v1alpha1.ConditionReady, "False ApprovalUnproven")
	r.condition(v1alpha1.ConditionReady, "True Ready")
	first := r.signedBy(namespace, "default", root, 0)
	if first.Type != corev1.SecretTypeTLS || len(first.Data) != 3 || len(first.Annotations) != 0 {
		t.Errorf("identity Secret: type %s, %d keys, annotations %v", first.Type, len(first.Data), first.Annotations)
	}
	s := r.condition(v1alpha1.ConditionIdentitiesIssued, "True Issued").Status
	if len(s.Roots) != 1 || s.Signer != nil || s.Issuer != v1alpha1.IssuerCertManagerLeaf {
		t.Errorf("status: %+v", s)
	}
	if err := r.get(&certmanagerv1.CertificateRequest{}, r.namespace, naming.RequestCanary); !apierrors.IsNotFound(err) {
		t.Errorf("the canary is still out: %v", err)
	}
	certificate := r.certificate(namespace, "default")
	owner := metav1.GetControllerOf(certificate)
	if c := certificate.Spec; len(c.URIs) != 1 || c.CommonName != "" || len(c.DNSNames) != 0 || c.IsCA || owner == nil || owner.Kind != "ServiceAccount" {
		t.Errorf("Certificate: %+v owned by %v", c, owner)
	}

	// Renewed by cert-manager, delivered by us.
	renew(r, certificate)
	second := r.identitySecret(namespace, "default", func(s *corev1.Secret) bool {
		return !bytes.Equal(s.Data[naming.FileKey], first.Data[naming.FileKey])
	})
	if second.UID != first.UID {
		t.Error("the identity Secret was replaced, not updated")
	}
	r.signedBy(namespace, "default", root, 0)

	// What cert-manager wrote can go, be emptied or be changed: the identity stays or comes back.
	change(r, &corev1.Secret{}, namespace, second.Name, func(s *corev1.Secret) { s.Data[naming.FileKey] = nil })
	r.identitySecret(namespace, "default", func(s *corev1.Secret) bool {
		return bytes.Equal(s.Data[naming.FileKey], second.Data[naming.FileKey])
	})
	issued := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: naming.IssuedSecret("default")}}
	if err := r.Client.Delete(t.Context(), issued); err != nil {
		t.Fatal(err)
	}
	r.identitySecret(namespace, "default", func(s *corev1.Secret) bool {
		return !bytes.Equal(s.Data[naming.FileKey], second.Data[naming.FileKey])
	})
	eventually(t, "an owner of what cert-manager wrote", func(context.Context) (string, bool) {
		err := r.get(issued, namespace, issued.Name)
		owner := metav1.GetControllerOf(issued)
		return fmt.Sprint(owner, err), owner != nil && owner.Name == "default"
	})
	change(r, &certmanagerv1.Certificate{}, namespace, certificate.Name, func(c *certmanagerv1.Certificate) { c.Spec.DNSNames = []string{"www.example.org"} })
	eventually(t, "the Certificate to be as it was", func(context.Context) (string, bool) {
		names := r.certificate(namespace, "default").Spec.DNSNames
		return fmt.Sprint(names), len(names) == 0
	})

	// What was ordered goes with the ServiceAccount, and when the namespace opts out.
	cart := serviceAccount(namespace, "cart")
	r.create(cart)
	r.signedBy(namespace, "cart", root, 0)
	if err := r.Client.Delete(t.Context(), cart); err != nil {
		t.Fatal(err)
	}
	r.gone(namespace, "cart")
	r.noIdentitySecret(namespace, "cart")
	change(r, &corev1.Namespace{}, "", namespace, func(n *corev1.Namespace) { delete(n.Labels, naming.LabelInjection) })
	r.gone(namespace, "default")
	r.noIdentitySecret(namespace, "default")
}

func TestAutomaticApprovalIsNoticed(t *testing.T) {
	r := newRealm(t)
	approving := certmanager.Require(t, r.Cluster, certmanager.Options{Approve: true})
	namespace := r.Namespace(t, optedIn)
	root := newAuthority(t, "mesh root")
	name := r.clusterIssuer(root)
	r.ask(v1alpha1.IssuerCertManagerLeaf, named("ClusterIssuer", name, root.pem()))
	r.start()

	r.condition(v1alpha1.ConditionReady, "False AutoApprovalOn")
	r.condition(v1alpha1.ConditionIssuerReady, "False AutoApprovalOn")
	r.event("default", r.trustDomain, corev1.EventTypeWarning, "AutoApprovalOn")
	var list certmanagerv1.CertificateList
	if err := r.Client.List(t.Context(), &list, client.InNamespace(namespace)); err != nil || len(list.Items) != 0 {
		t.Errorf("%d Certificates were asked for, %v", len(list.Items), err)
	}
	if err := r.get(&corev1.Secret{}, namespace, naming.IdentitySecret("default")); !apierrors.IsNotFound(err) {
		t.Errorf("an identity was issued: %v", err)
	}

	// Turned off, it works without a restart.
	if err := approving.Stop(); err != nil {
		t.Fatal(err)
	}
	certmanager.Require(t, r.Cluster, certmanager.Options{})
	eventuallyWithin(t, 2*time.Minute, "readiness", func(context.Context) (string, bool) { // the next canary is sent after a while
		object := &v1alpha1.TrustDomain{}
		err := r.get(object, "", r.trustDomain)
		return fmt.Sprint(object.Status.Conditions, err), meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.ConditionReady)
	})
	r.signedBy(namespace, "default", root, 0)
}

// TestApprovalByOthersIsNoticed is about somebody who begins to approve after the canary: of many requests they will be first
// at one.
func TestApprovalByOthersIsNoticed(t *testing.T) {
	r := newRealm(t)
	quiet := certmanager.Require(t, r.Cluster, certmanager.Options{})
	namespace := r.Namespace(t, optedIn)
	root := newAuthority(t, "mesh root")
	r.ask(v1alpha1.IssuerCertManagerLeaf, named("ClusterIssuer", r.clusterIssuer(root), root.pem()))
	r.start()
	r.condition(v1alpha1.ConditionReady, "True Ready")
	before := r.signedBy(namespace, "default", root, 0)

	if err := quiet.Stop(); err != nil {
		t.Fatal(err)
	}
	certmanager.Require(t, r.Cluster, certmanager.Options{Approve: true})
	for i := range 20 {
		r.create(serviceAccount(namespace, fmt.Sprintf("sa-%d", i)))
	}
	r.condition(v1alpha1.ConditionReady, "False AutoApprovalOn")
	after := r.identitySecret(namespace, "default", nil)
	if after.ResourceVersion != before.ResourceVersion {
		t.Error("the identity that there was has changed")
	}
}
