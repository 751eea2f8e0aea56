package controllers

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	issuing "github.com/warifu/warifu/internal/issuer/certmanager"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/certmanager"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// crooked is an external issuer that does what a test wants.
type crooked struct {
	r    *realm
	root *authority
	// answer signs, or returns nil to fail.
	answer atomic.Pointer[func(template *x509.Certificate) *x509.Certificate]
}

const crookedGroup = "issuers.example.org"

// newCrooked installs the issuer's kind and answers approved requests until the test ends.
func newCrooked(r *realm) *crooked {
	r.Helper()
	keep := true
	crd := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "crookedissuers." + crookedGroup},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: crookedGroup, Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "crookedissuers", Kind: "CrookedIssuer"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{Type: "object", XPreserveUnknownFields: &keep}},
			}},
		},
	}
	if err := r.Client.Create(r.Context(), crd); err != nil && !apierrors.IsAlreadyExists(err) {
		r.Fatal(err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": crookedGroup + "/v1", "kind": "CrookedIssuer", "metadata": map[string]any{"name": r.namespace},
	}}
	eventually(r.T, "the issuer's kind", func(ctx context.Context) (string, bool) {
		err := r.Client.Create(ctx, object)
		return fmt.Sprint(err), err == nil
	})
	c := &crooked{r: r, root: newAuthority(r.T, "crooked root")}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) { return false, c.serve(ctx) })
	}()
	r.Cleanup(func() { cancel(); <-done })
	return c
}

// serve answers what is approved and unanswered.
func (c *crooked) serve(ctx context.Context) error {
	var list certmanagerv1.CertificateRequestList
	if err := c.r.Client.List(ctx, &list); err != nil {
		return ctx.Err()
	}
	for i := range list.Items {
		request := &list.Items[i]
		_, approved, _ := issuing.Decided(request)
		if approved && request.Spec.IssuerRef.Group == crookedGroup && request.Spec.IssuerRef.Name == c.r.namespace && len(request.Status.Conditions) == 1 {
			c.sign(request)
			_ = c.r.Client.Status().Update(ctx, request) // a conflict is tried again
		}
	}
	return nil
}

func (c *crooked) sign(request *certmanagerv1.CertificateRequest) {
	block, _ := pem.Decode(request.Spec.Request)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		c.r.Error(err)
		return
	}
	cert := (*c.answer.Load())(&x509.Certificate{
		NotBefore: time.Now().Add(-time.Second), NotAfter: time.Now().Add(request.Spec.Duration.Duration), URIs: csr.URIs, PublicKey: csr.PublicKey,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	now := metav1.Now()
	condition := certmanagerv1.CertificateRequestCondition{
		Type: certmanagerv1.CertificateRequestConditionReady, Status: cmmeta.ConditionTrue, Reason: certmanagerv1.CertificateRequestReasonIssued, LastTransitionTime: &now,
	}
	if cert == nil {
		condition.Status, condition.Reason, condition.Message = cmmeta.ConditionFalse, certmanagerv1.CertificateRequestReasonFailed, "out of paper"
		request.Status.FailureTime = &now
	} else {
		request.Status.Certificate = pki.EncodeCertificates(cert) // and no CA: it need not tell its root
	}
	request.Status.Conditions = append(request.Status.Conditions, condition)
}

// answers makes the issuer sign what the test makes of the request from now on.
func (c *crooked) answers(with func(*x509.Certificate) *x509.Certificate) { c.answer.Store(&with) }

// honest signs what it is asked for.
func (c *crooked) honest(template *x509.Certificate) *x509.Certificate {
	return c.root.sign(c.r, template, template.PublicKey)
}

// requests counts what cert-manager has asked for in a namespace.
func (r *realm) requests(namespace string) (all map[string]bool) {
	r.Helper()
	var list certmanagerv1.CertificateRequestList
	if err := r.Client.List(r.Context(), &list, client.InNamespace(namespace)); err != nil {
		r.Fatal(err)
	}
	all = map[string]bool{}
	for i := range list.Items {
		all[list.Items[i].Name] = true
	}
	return all
}

func TestAnIssuerThatGoesWrong(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{})
	namespace := r.Namespace(t, optedIn)
	c := newCrooked(r)
	c.answers(c.honest)
	stranger := newAuthority(t, "strange root")
	spec := named("CrookedIssuer", r.namespace, c.root.pem())
	spec.IssuerRef.Group = crookedGroup
	r.ask(v1alpha1.IssuerCertManagerLeaf, spec)
	r.start()
	r.condition(v1alpha1.ConditionReady, "True Ready")
	good := r.signedBy(namespace, "default", c.root, 0)

	for _, tt := range []struct {
		name, reason string
		// watch is how long to look for requests that go round in circles.
		watch  time.Duration
		answer func(*x509.Certificate) *x509.Certificate
	}{
		{"another identity", "WrongIdentity", 2 * time.Second, func(cert *x509.Certificate) *x509.Certificate {
			cert.URIs = []*url.URL{mustURL(t, fmt.Sprintf("spiffe://%s/ns/%s/sa/admin", r.trustDomain, namespace))}
			return c.honest(cert)
		}},
		{"another key", "WrongCertificate", time.Second, func(cert *x509.Certificate) *x509.Certificate {
			return c.root.sign(t, cert, newKey(t).Public())
		}},
		{"another root", "OtherSigner", time.Second, func(cert *x509.Certificate) *x509.Certificate {
			return stranger.sign(t, cert, cert.PublicKey)
		}},
		{"usages left out", "WrongUsage", time.Second, func(cert *x509.Certificate) *x509.Certificate {
			cert.ExtKeyUsage = nil
			return c.honest(cert)
		}},
		{"refusal", "IssuerFailed", time.Second, func(*x509.Certificate) *x509.Certificate { return nil }},
		{"seconds for a day", "LivesTooShort", 12 * time.Second, func(cert *x509.Certificate) *x509.Certificate {
			cert.NotAfter = cert.NotBefore.Add(6 * time.Second)
			return c.honest(cert)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &realm{T: t, Cluster: r.Cluster, namespace: r.namespace, trustDomain: r.trustDomain}
			c.answers(tt.answer)
			renew(r, r.certificate(namespace, "default"))
			r.event(namespace, "default", corev1.EventTypeWarning, tt.reason)
			if tt.watch > time.Second { // counts are written every few seconds
				r.condition(v1alpha1.ConditionIdentitiesIssued, "False "+tt.reason)
			}
			r.condition(v1alpha1.ConditionReady, "True Ready")

			// Nothing goes round in circles, and the identity that there was stays.
			seen := r.requests(namespace)
			for end := time.Now().Add(tt.watch); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // that nothing happens takes time
				for name := range r.requests(namespace) {
					seen[name] = true
				}
			}
			if len(seen) > 3 {
				t.Errorf("%d requests in %s: %v", len(seen), tt.watch, seen)
			}
			now := r.identitySecret(namespace, "default", nil)
			if now.ResourceVersion != good.ResourceVersion {
				t.Error("the identity has changed")
			}

			// Somebody repairs the issuer, and begins anew.
			c.answers(c.honest)
			old := r.certificate(namespace, "default")
			if err := r.Client.Delete(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			// The garbage collector does the same, but learns of new kinds every half minute only.
			if err := r.Client.DeleteAllOf(t.Context(), &certmanagerv1.CertificateRequest{}, client.InNamespace(namespace)); err != nil {
				t.Fatal(err)
			}
			again := &certmanagerv1.Certificate{}
			eventually(t, "another Certificate", func(context.Context) (string, bool) {
				err := r.get(again, namespace, old.Name)
				return fmt.Sprint(err), err == nil && again.UID != old.UID
			})
			renew(r, again)
			eventually(t, "the Certificate to settle", func(context.Context) (string, bool) {
				now := r.certificate(namespace, "default")
				progress := issuing.ProgressOf(now)
				return fmt.Sprint(progress), progress.Settled && now.Status.Revision != nil
			})
			good = r.identitySecret(namespace, "default", func(s *corev1.Secret) bool {
				return !bytes.Equal(s.Data[naming.FileKey], good.Data[naming.FileKey])
			})
		})
	}
	r.condition(v1alpha1.ConditionIdentitiesIssued, "True Issued")
	r.signedBy(namespace, "default", c.root, 0)
}

func TestIntermediateFromAnIssuerThatIsNotThere(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{Approve: true})
	namespace := r.Namespace(t, optedIn)
	root := newAuthority(t, "corporate root")
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("", "corporate", ""))
	r.start()
	r.condition(v1alpha1.ConditionReady, "False IssuerNotFound")

	r.create(&certmanagerv1.Issuer{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "corporate"}, Spec: caIssuer("corporate")})
	r.condition(v1alpha1.ConditionReady, "False IssuerNotReady") // its Secret is missing
	r.event("default", r.trustDomain, corev1.EventTypeWarning, "IssuerNotReady")
	if n := len(r.requests(r.namespace)); n > 1 {
		t.Errorf("%d requests", n)
	}
	r.create(root.secret(t, r.namespace, "corporate"))
	r.condition(v1alpha1.ConditionReady, "True Ready")
	r.signedBy(namespace, "default", root, 1)
}

func TestRootsOfAnIntermediate(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{Approve: true})
	namespace := r.Namespace(t, optedIn)
	root, stranger := newAuthority(t, "corporate root"), newAuthority(t, "strange root")
	r.issuer("division", newAuthorityUnder(t, "division", root, 900*time.Hour)) // says nothing of its root
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "division", ""))
	r.start()
	r.condition(v1alpha1.ConditionReady, "False RootUnknown")
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "division", "not PEM"))
	r.condition(v1alpha1.ConditionReady, "False RootsInvalid")
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "division", stranger.pem()))
	r.condition(v1alpha1.ConditionReady, "False RootMismatch")
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "division", root.pem()))
	r.condition(v1alpha1.ConditionReady, "True Ready")
	r.signedBy(namespace, "default", root, 2)
}

// TestIntermediateWhereNobodyApproves is about a cluster without automatic approval: the operator approves its own CA.
func TestIntermediateWhereNobodyApproves(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{})
	namespace := r.Namespace(t, optedIn)
	root := newAuthority(t, "corporate root")
	r.issuer("corporate", root)
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "corporate", root.pem()))
	r.start()
	r.signedBy(namespace, "default", root, 1)

	other := &certmanagerv1.Certificate{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "other"},
		Spec:       certmanagerv1.CertificateSpec{CommonName: "other", IsCA: true, SecretName: "other", IssuerRef: cmmeta.IssuerReference{Name: "corporate"}},
	}
	r.create(other)
	eventually(t, "the other request", func(context.Context) (string, bool) { return "", len(r.requests(r.namespace)) == 2 })
	renew(r, &certmanagerv1.Certificate{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: naming.SecretIntermediate}})
	eventually(t, "the second CA", func(context.Context) (string, bool) { return "", len(r.requests(r.namespace)) >= 2 })
	var list certmanagerv1.CertificateRequestList
	if err := r.Client.List(t.Context(), &list, client.InNamespace(r.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if _, _, decided := issuing.Decided(&list.Items[i]); decided && list.Items[i].Annotations[certmanagerv1.CertificateNameKey] == "other" {
			t.Error("somebody else's request was decided")
		}
	}
}

// TestSwitchingIssuers goes through all of them on a running operator.
func TestSwitchingIssuers(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{})
	namespace := r.Namespace(t, optedIn)
	stop := r.start()
	r.condition(v1alpha1.ConditionReady, "True Ready")
	builtin := r.identitySecret(namespace, "default", nil)
	for i := range 4 {
		r.create(serviceAccount(namespace, fmt.Sprintf("app-%d", i)))
		r.identitySecret(namespace, fmt.Sprintf("app-%d", i), nil)
	}
	seen := r.watchTrust(namespace) // at every moment every identity verifies every other

	corporate, mesh := newAuthority(t, "corporate root"), newAuthority(t, "mesh root")
	r.issuer("corporate", corporate)
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "corporate", ""))
	r.signedBy(namespace, "default", corporate, 1)

	r.ask(v1alpha1.IssuerCertManagerLeaf, named("ClusterIssuer", r.clusterIssuer(mesh), mesh.pem()))
	r.condition(v1alpha1.ConditionReady, "False ApprovalUnproven")
	if s := r.identitySecret(namespace, "default", nil); string(s.Data[naming.FileCA]) != corporate.pem() {
		t.Error("the identity changed before another could be had")
	}
	r.signedBy(namespace, "default", mesh, 0)

	// A restart changes nothing.
	before := r.identitySecret(namespace, "default", nil)
	stop()
	stop = r.start()
	r.condition(v1alpha1.ConditionReady, "True Ready")
	r.create(serviceAccount(namespace, "late"))
	r.signedBy(namespace, "late", mesh, 0)
	if after := r.identitySecret(namespace, "default", nil); after.ResourceVersion != before.ResourceVersion {
		t.Error("the restart issued again")
	}

	r.ask(v1alpha1.IssuerBuiltin, nil)
	back := r.identitySecret(namespace, "default", func(s *corev1.Secret) bool {
		return bytes.Equal(s.Data[naming.FileCA], builtin.Data[naming.FileCA])
	})
	opensslVerify(t, back)
	r.gone(namespace, "default")
	r.gone(namespace, "late")
	status := r.condition(v1alpha1.ConditionIdentitiesIssued, "True Issued").Status
	if meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionIssuerReady) != nil || status.Issuer != v1alpha1.IssuerBuiltin {
		t.Errorf("status: %+v", status)
	}
	r.condition(v1alpha1.ConditionRootsSettled, "True Settled")
	seen.report(t)
	stop()
}

// TestFirstBuiltinAfterCertManager: a TrustDomain that never had a CA of its own gets one made when it is first asked for.
func TestFirstBuiltinAfterCertManager(t *testing.T) {
	r := newRealm(t)
	certmanager.Require(t, r.Cluster, certmanager.Options{Approve: true})
	namespace := r.Namespace(t, optedIn)
	root := newAuthority(t, "corporate root")
	r.issuer("corporate", root)
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "corporate", ""))
	r.start()
	r.signedBy(namespace, "default", root, 1)
	r.condition(v1alpha1.ConditionReady, "True Ready")
	r.ask(v1alpha1.IssuerBuiltin, named("Issuer", "corporate", ""))
	r.identitySecret(namespace, "default", func(s *corev1.Secret) bool { return string(s.Data[naming.FileCA]) != root.pem() })
	r.condition(v1alpha1.ConditionReady, "True Ready")
}

// TestWithoutCertManager is about a cluster without cert-manager's kinds: the operator runs, says what is missing, and needs
// no restart when it comes.
func TestWithoutCertManager(t *testing.T) {
	cluster.Require(t) // skips where there are no binaries
	c, err := cluster.Start(t.Context(), cluster.Options{InstallCRDs: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	r := newRealmOn(t, c)
	namespace := r.Namespace(t, optedIn)
	root := newAuthority(t, "corporate root")
	r.ask(v1alpha1.IssuerCertManagerLeaf, named("ClusterIssuer", "any", root.pem()))
	r.start()
	r.condition(v1alpha1.ConditionReady, "False CertManagerNotInstalled")
	r.ask(v1alpha1.IssuerCertManagerIntermediate, named("Issuer", "corporate", ""))
	r.condition(v1alpha1.ConditionReady, "False CertManagerNotInstalled")
	r.event("default", r.trustDomain, corev1.EventTypeWarning, "CertManagerNotInstalled")

	certmanager.Require(t, c, certmanager.Options{Approve: true})
	r.issuer("corporate", root)
	r.signedBy(namespace, "default", root, 1)
}
