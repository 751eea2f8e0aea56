package controllers

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	issuing "github.com/warifu/warifu/internal/issuer/certmanager"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/internal/testkit/certmanager"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// newCSR is a request in PEM.
func newCSR(t testing.TB, key crypto.Signer, template *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// installCertManager installs the CRDs without running cert-manager: a test plays its part.
func installCertManager(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	err := certmanager.Install(c)
	if errors.Is(err, binaries.ErrMissing) && os.Getenv(cluster.EnvRequire) != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ready makes an issuer say that it is.
func (r *realm) ready(issuer *certmanagerv1.ClusterIssuer) {
	r.Helper()
	issuer.Status.Conditions = []certmanagerv1.IssuerCondition{{Type: certmanagerv1.IssuerConditionReady, Status: cmmeta.ConditionTrue}}
	if err := r.Client.Status().Update(r.Context(), issuer); err != nil {
		r.Fatal(err)
	}
}

// forgery is a request in the making; a case changes one thing of a request that would be approved.
type forgery struct {
	csr     *x509.CertificateRequest
	key     crypto.Signer
	request *certmanagerv1.CertificateRequest
	// raw takes the place of csr.
	raw []byte
}

func TestRequestsAreReviewed(t *testing.T) {
	r := newRealm(t)
	installCertManager(t, r.Cluster)
	namespace, outside := r.Namespace(t, optedIn), r.Namespace(t, nil)
	root := newAuthority(t, "mesh root")
	name := r.clusterIssuer(root)
	issuer := &certmanagerv1.ClusterIssuer{}
	if err := r.get(issuer, "", name); err != nil {
		t.Fatal(err)
	}
	r.ready(issuer)
	r.ask(v1alpha1.IssuerCertManagerLeaf, named("ClusterIssuer", name, root.pem()))
	r.start()
	r.condition(v1alpha1.ConditionReady, "True Ready")

	// What cert-manager does when it begins to issue.
	certificate := &certmanagerv1.Certificate{}
	eventually(t, "the Certificate", func(context.Context) (string, bool) {
		err := r.get(certificate, namespace, naming.IssuedSecret("default"))
		return fmt.Sprint(err), err == nil
	})
	key := newKey(t)
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	r.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "next"}, Data: map[string][]byte{naming.FileKey: keyPEM}})
	next := "next"
	certificate.Status.NextPrivateKeySecretName = &next
	if err := r.Client.Status().Update(t.Context(), certificate); err != nil {
		t.Fatal(err)
	}
	lookalike := certificate.DeepCopy()
	lookalike.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "lookalike", Labels: certificate.Labels}
	r.create(lookalike)

	id := func(trustDomain, namespace, name string) string {
		return fmt.Sprintf("spiffe://%s/ns/%s/sa/%s", trustDomain, namespace, name)
	}
	uris := func(all ...string) func(*forgery) {
		return func(f *forgery) {
			f.csr.URIs = nil
			for _, u := range all {
				f.csr.URIs = append(f.csr.URIs, mustURL(t, u))
			}
		}
	}
	mine := id(r.trustDomain, namespace, "default")
	owned := func(by *certmanagerv1.Certificate, change func(*metav1.OwnerReference)) func(*forgery) {
		return func(f *forgery) {
			owner := metav1.NewControllerRef(by, certmanagerv1.SchemeGroupVersion.WithKind("Certificate"))
			if change != nil {
				change(owner)
			}
			f.request.OwnerReferences = []metav1.OwnerReference{*owner}
		}
	}
	extension := func(oid asn1.ObjectIdentifier, value []byte) func(*forgery) {
		return func(f *forgery) {
			f.csr.ExtraExtensions = append(f.csr.ExtraExtensions, pkix.Extension{Id: oid, Value: value})
		}
	}
	usages := func(all ...certmanagerv1.KeyUsage) func(*forgery) {
		return func(f *forgery) { f.request.Spec.Usages = all }
	}
	const undecided = "undecided"

	for _, tt := range []struct {
		name   string
		change func(*forgery)
		want   string
	}{
		{"as it should be", nil, issuing.Approver},
		{"usages in the request as well", func(f *forgery) {
			extension(asn1.ObjectIdentifier{2, 5, 29, 15}, []byte{3, 2, 7, 0x80})(f)
			extension(asn1.ObjectIdentifier{2, 5, 29, 37}, []byte{0x30, 0x14, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2})(f)
		}, issuing.Approver},
		{"a key of somebody else's", func(f *forgery) { f.key = newKey(t) }, "Key"},
		{"no SAN", uris(), "Names"},
		{"two identities", uris(mine, id(r.trustDomain, namespace, "other")), "Names"},
		{"a DNS name too", func(f *forgery) { f.csr.DNSNames = []string{"www.example.org"} }, "Names"},
		{"an address too", func(f *forgery) { f.csr.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} }, "Names"},
		{"a mailbox too", func(f *forgery) { f.csr.EmailAddresses = []string{"a@example.org"} }, "Names"},
		{"a name of another type too", func(f *forgery) {
			other, err := asn1.Marshal([]asn1.RawValue{
				{Class: asn1.ClassContextSpecific, Tag: 6, Bytes: []byte(mine)},
				{Class: asn1.ClassContextSpecific, Tag: 8, Bytes: []byte{0x2a, 3}},
			})
			if err != nil {
				t.Fatal(err)
			}
			f.csr.URIs = nil
			extension(asn1.ObjectIdentifier{2, 5, 29, 17}, other)(f)
		}, "Names"},
		{"a common name", func(f *forgery) { f.csr.Subject.CommonName = "default" }, "Names"},
		{"an organisation", func(f *forgery) { f.csr.Subject.Organization = []string{"system:masters"} }, "Names"},
		{"another trust domain", uris(id("other.local", namespace, "default")), "Names"},
		{"no identity", uris("https://www.example.org/"), "Names"},
		{"another namespace", uris(id(r.trustDomain, outside, "default")), "Namespace"},
		{"no such ServiceAccount", uris(id(r.trustDomain, namespace, "nobody")), "ServiceAccount"},
		{"a namespace that has not opted in", func(f *forgery) {
			uris(id(r.trustDomain, outside, "default"))(f)
			f.request.Namespace, f.request.OwnerReferences = outside, nil
		}, "ServiceAccount"},
		{"a CA", func(f *forgery) { f.request.Spec.IsCA = true }, "CA"},
		{"a CA by extension", extension(asn1.ObjectIdentifier{2, 5, 29, 19}, []byte{0x30, 3, 1, 1, 0xff}), "Usages"},
		{"more usages", usages("digital signature", "server auth", "client auth", "cert sign"), "Usages"},
		{"fewer usages", usages("digital signature", "client auth"), "Usages"},
		{"default usages", usages(), "Usages"},
		{"more usages by extension", extension(asn1.ObjectIdentifier{2, 5, 29, 15}, []byte{3, 2, 2, 0x84}), "Usages"},
		{"any usage by extension", extension(asn1.ObjectIdentifier{2, 5, 29, 37}, []byte{0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0}), "Usages"},
		{"a longer life", func(f *forgery) { f.request.Spec.Duration.Duration *= 2 }, "Lifetime"},
		{"the issuer's life", func(f *forgery) { f.request.Spec.Duration = nil }, "Lifetime"},
		{"from nowhere", func(f *forgery) { f.request.OwnerReferences = nil }, "Origin"},
		{"from a Certificate of the user's", owned(lookalike, nil), "Origin"},
		{"from a Certificate that was", owned(certificate, func(o *metav1.OwnerReference) { o.UID = "0" }), "Origin"},
		{"from something else", owned(certificate, func(o *metav1.OwnerReference) { o.APIVersion = "example.org/v1" }), "Origin"},
		{"garbage", func(f *forgery) { f.raw = []byte("x") }, "Unreadable"},
		{"signed by another key", func(f *forgery) {
			block, _ := pem.Decode(newCSR(t, f.key, f.csr))
			block.Bytes[len(block.Bytes)-1] ^= 1
			f.raw = pem.EncodeToMemory(block)
		}, "Unreadable"},
		{"to another issuer", func(f *forgery) { f.request.Spec.IssuerRef.Name = "another" }, undecided},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &realm{T: t, Cluster: r.Cluster, namespace: r.namespace, trustDomain: r.trustDomain}
			f := &forgery{
				key: key,
				csr: &x509.CertificateRequest{URIs: []*url.URL{mustURL(t, mine)}},
				request: &certmanagerv1.CertificateRequest{
					ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "forged-"},
					Spec: certmanagerv1.CertificateRequestSpec{
						IssuerRef: certificate.Spec.IssuerRef, Usages: certificate.Spec.Usages,
						Duration: &metav1.Duration{Duration: 24 * time.Hour},
					},
				},
			}
			owned(certificate, nil)(f)
			if tt.change != nil {
				tt.change(f)
			}
			if f.request.Spec.Request = f.raw; f.raw == nil {
				f.request.Spec.Request = newCSR(t, f.key, f.csr)
			}
			if err := r.Client.Create(t.Context(), f.request); err != nil {
				t.Fatal(err)
			}
			if tt.want == undecided {
				r.staysUndecided(f.request)
				return
			}
			collected := false
			eventually(t, "a decision", func(context.Context) (string, bool) {
				if err := r.get(f.request, f.request.Namespace, f.request.Name); err != nil {
					// The garbage collector may be faster where the owner does not exist. What is gone is not approved.
					collected = apierrors.IsNotFound(err) && f.request.OwnerReferences[0].UID == "0"
					return err.Error(), collected
				}
				reason, _, decided := issuing.Decided(f.request)
				return "undecided", decided && reason != ""
			})
			if collected {
				return
			}
			reason, approved, _ := issuing.Decided(f.request)
			if reason != tt.want || approved != (tt.want == issuing.Approver) {
				t.Errorf("approved %v, %s (%s), want %s", approved, reason, f.request.Status.Conditions[0].Message, tt.want)
			}
			if !approved {
				r.event(f.request.Namespace, f.request.Name, corev1.EventTypeWarning, reasonDenied)
			}
		})
	}
}

// staysUndecided looks whether a request is decided by the time that another one is.
func (r *realm) staysUndecided(request *certmanagerv1.CertificateRequest) {
	r.Helper()
	later := request.DeepCopy()
	later.ObjectMeta = metav1.ObjectMeta{Namespace: request.Namespace, GenerateName: "later-"}
	later.Spec.IssuerRef.Name = r.namespace
	later.Spec.IsCA = true
	if err := r.Client.Create(r.Context(), later); err != nil {
		r.Fatal(err)
	}
	eventually(r.T, "a decision about the later request", func(context.Context) (string, bool) {
		err := r.get(later, later.Namespace, later.Name)
		_, _, decided := issuing.Decided(later)
		return fmt.Sprint(err), decided
	})
	if err := r.get(request, request.Namespace, request.Name); err != nil {
		r.Fatal(err)
	}
	if reason, _, decided := issuing.Decided(request); decided {
		r.Errorf("decided: %s", reason)
	}
}
