package certmanager

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/issuer"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// made signs a certificate; without a parent it is a root.
func made(t *testing.T, template x509.Certificate, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore = big.NewInt(1), noon
	if parent == nil {
		parent, signer = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func ca(life time.Duration) x509.Certificate {
	c := x509.Certificate{NotAfter: noon.Add(life), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	c.Subject.CommonName = fmt.Sprint("lives ", life)
	return c
}

func TestHoldUntil(t *testing.T) {
	root, key := made(t, ca(100*day), nil, nil)
	ending, endingKey := made(t, ca(time.Hour), root, key)
	answer := func(life time.Duration) []byte {
		cert, _ := made(t, x509.Certificate{NotAfter: noon.Add(life)}, root, key)
		return pki.EncodeCertificates(cert)
	}
	last, _ := made(t, x509.Certificate{NotAfter: noon.Add(time.Hour)}, ending, endingKey)
	answered := func(change func(*certmanagerv1.CertificateRequest)) *certmanagerv1.CertificateRequest {
		r := &certmanagerv1.CertificateRequest{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(noon)}}
		r.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(
			&metav1.ObjectMeta{Name: "cart", UID: "1"}, certmanagerv1.SchemeGroupVersion.WithKind(certmanagerv1.CertificateKind))}
		r.Spec.Duration = &metav1.Duration{Duration: day}
		change(r)
		return r
	}
	for name, tt := range map[string]struct {
		change func(*certmanagerv1.CertificateRequest)
		want   time.Time
	}{
		"as asked for":      {func(r *certmanagerv1.CertificateRequest) { r.Status.Certificate = answer(day) }, time.Time{}},
		"a little less":     {func(r *certmanagerv1.CertificateRequest) { r.Status.Certificate = answer(22 * time.Hour) }, time.Time{}},
		"minutes for a day": {func(r *certmanagerv1.CertificateRequest) { r.Status.Certificate = answer(time.Minute) }, noon.Add(8 * time.Hour)},
		"asked for less then": {func(r *certmanagerv1.CertificateRequest) {
			r.Spec.Duration.Duration, r.Status.Certificate = time.Hour, answer(time.Hour)
		}, time.Time{}},
		"ends with its CA": {func(r *certmanagerv1.CertificateRequest) {
			r.Status.Certificate = pki.EncodeCertificates(last, ending)
		}, time.Time{}},
		"ends with its CA, told apart": {func(r *certmanagerv1.CertificateRequest) {
			r.Status.Certificate, r.Status.CA = pki.EncodeCertificates(last), pki.EncodeCertificates(ending)
		}, time.Time{}},
		"not answered": {func(*certmanagerv1.CertificateRequest) {}, time.Time{}},
		"garbage":      {func(r *certmanagerv1.CertificateRequest) { r.Status.Certificate = []byte("x") }, time.Time{}},
	} {
		request, roots := answered(tt.change), []*x509.Certificate{root}
		var holds Holds
		holds.Note(request, roots, noon)
		if got := HoldUntil(request, roots); !got.Equal(tt.want) || !holds.Until("1").Equal(tt.want) || !holds.Until("2").IsZero() {
			t.Errorf("%s: until %s, remembered %s, want %s", name, got, holds.Until("1"), tt.want)
		}
		holds.Note(request, roots, noon.Add(day))
		if len(holds.until) > 1 {
			t.Errorf("%s: what is over is remembered", name)
		}
	}
}

func TestProgressOf(t *testing.T) {
	condition := func(kind certmanagerv1.CertificateConditionType, status cmmeta.ConditionStatus, reason string, generation int64) certmanagerv1.CertificateCondition {
		at := metav1.NewTime(noon.Add(time.Minute))
		return certmanagerv1.CertificateCondition{Type: kind, Status: status, Reason: reason, LastTransitionTime: &at, ObservedGeneration: generation}
	}
	const yes, no = cmmeta.ConditionTrue, cmmeta.ConditionFalse
	slowSince := func(d time.Duration) time.Time { return noon.Add(d + slowAfter) }
	for name, tt := range map[string]struct {
		conditions []certmanagerv1.CertificateCondition
		settled    bool
		problem    issuer.Reason
		slowAt     time.Time
	}{
		"new":                        {nil, false, "", slowSince(0)},
		"ready":                      {[]certmanagerv1.CertificateCondition{condition("Ready", yes, "Ready", 2)}, true, "", time.Time{}},
		"ready as it was before":     {[]certmanagerv1.CertificateCondition{condition("Ready", yes, "Ready", 1)}, false, "", slowSince(time.Minute)},
		"issuing":                    {[]certmanagerv1.CertificateCondition{condition("Issuing", yes, "DoesNotExist", 2)}, false, "", slowSince(time.Minute)},
		"renewing":                   {[]certmanagerv1.CertificateCondition{condition("Ready", yes, "Ready", 2), condition("Issuing", yes, "Renewing", 2)}, false, "", slowSince(time.Minute)},
		"failed":                     {[]certmanagerv1.CertificateCondition{condition("Issuing", no, "Failed", 2)}, false, IssuerFailed, time.Time{}},
		"denied in somebody's words": {[]certmanagerv1.CertificateCondition{condition("Issuing", no, "policy.example.org", 2)}, false, RequestDenied, time.Time{}},
		"another key":                {[]certmanagerv1.CertificateCondition{condition("Issuing", no, "InvalidCertificate", 2)}, false, WrongCertificate, time.Time{}},
		"not ready, nothing begun":   {[]certmanagerv1.CertificateCondition{condition("Ready", no, "DoesNotExist", 2)}, false, "", slowSince(time.Minute)},
	} {
		c := &certmanagerv1.Certificate{ObjectMeta: metav1.ObjectMeta{Generation: 2, CreationTimestamp: metav1.NewTime(noon)}}
		c.Status.Conditions = tt.conditions
		got := ProgressOf(c)
		var problem issuer.Reason
		if got.Problem != nil {
			problem = got.Problem.Reason
		}
		if got.Settled != tt.settled || problem != tt.problem || !got.SlowAt.Equal(tt.slowAt) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestLeafCertificate(t *testing.T) {
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", UID: types.UID("1")}}
	seen := map[time.Duration]bool{}
	for i := range 100 {
		sa.Name = fmt.Sprintf("cart-%d", i)
		id, err := identity.New("cluster.local", "shop", sa.Name)
		if err != nil {
			t.Fatal(err)
		}
		c := LeafCertificate(LeafRequest{ServiceAccount: sa, ID: id, Algorithm: pki.Ed25519, Lifetime: day, Issuer: Reference{Name: "mesh"}})
		before := c.Spec.RenewBefore.Duration
		if before < day*4/10 || before > day*6/10 {
			t.Fatalf("renewed %s before its end", before)
		}
		seen[before] = true
		if again := LeafCertificate(LeafRequest{ServiceAccount: sa, ID: id, Algorithm: pki.Ed25519, Lifetime: day, Issuer: Reference{Name: "mesh"}}); !Same(c, again) {
			t.Fatal("the same is not the same")
		}
		if c.Spec.PrivateKey.Algorithm != certmanagerv1.Ed25519KeyAlgorithm || c.Spec.SecretName != naming.IssuedSecret(sa.Name) {
			t.Fatalf("%+v", c.Spec)
		}
	}
	if len(seen) < 90 {
		t.Errorf("a hundred Certificates come due at %d moments", len(seen))
	}
}

func TestRefersTo(t *testing.T) {
	full := Reference{Name: "mesh", Kind: "Issuer", Group: "cert-manager.io"}
	for name, tt := range map[string]struct {
		ref  Reference
		want bool
	}{
		"in full":       {full, true},
		"by name alone": {Reference{Name: "mesh"}, true},
		"another name":  {Reference{Name: "web"}, false},
		"another kind":  {Reference{Name: "mesh", Kind: "ClusterIssuer"}, false},
		"another group": {Reference{Name: "mesh", Group: "example.org"}, false},
	} {
		if got := RefersTo(tt.ref, full); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAssemble is about what issuers write into tls.crt and ca.crt.
func TestAssemble(t *testing.T) {
	root, rootKey := made(t, ca(100*day), nil, nil)
	upper, upperKey := made(t, ca(90*day), root, rootKey)
	cert, key := made(t, ca(80*day), upper, upperKey)
	stranger, _ := made(t, ca(70*day), nil, nil)
	self, selfKey := made(t, ca(60*day), nil, nil)
	keyPEM := func(k *ecdsa.PrivateKey) []byte {
		out, err := pki.EncodeKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	pem := pki.EncodeCertificates
	mine := keyPEM(key)
	for _, tt := range []struct {
		name       string
		files      pki.Files
		configured []byte
		at         time.Time
		want       issuer.Reason
		roots      []byte
	}{
		{"root told", pki.Files{Cert: pem(cert, upper), Key: mine, CA: pem(root)}, nil, noon, "", pem(root)},
		{"everything in tls.crt", pki.Files{Cert: pem(cert, upper, root), Key: mine, CA: pem(root)}, nil, noon, "", pem(root)},
		{"out of order", pki.Files{Cert: pem(cert, root, upper), Key: mine, CA: pem(root)}, nil, noon, "", pem(root)},
		{"the upper CA told as root", pki.Files{Cert: pem(cert), Key: mine, CA: pem(upper)}, pem(root), noon, "", pem(root)},
		{"the upper CA told, root unknown", pki.Files{Cert: pem(cert), Key: mine, CA: pem(upper)}, nil, noon, RootUnknown, nil},
		{"nothing told", pki.Files{Cert: pem(cert, upper), Key: mine}, nil, noon, RootUnknown, nil},
		{"nothing told, configured", pki.Files{Cert: pem(cert, upper), Key: mine}, pem(root), noon, "", pem(root)},
		{"strangers told along", pki.Files{Cert: pem(cert, upper), Key: mine, CA: pem(stranger, root)}, nil, noon, "", pem(root)},
		{"all that is configured is trusted", pki.Files{Cert: pem(cert, upper), Key: mine}, pem(stranger, root), noon, "", pem(stranger, root)},
		{"configured wins over told", pki.Files{Cert: pem(cert, upper), Key: mine, CA: pem(root)}, pem(stranger), noon, RootMismatch, nil},
		{"a gap", pki.Files{Cert: pem(cert), Key: mine, CA: pem(root)}, nil, noon, RootMismatch, nil},
		{"self-signed", pki.Files{Cert: pem(self), Key: keyPEM(selfKey), CA: pem(self)}, nil, noon, RootMismatch, nil},
		{"another key", pki.Files{Cert: pem(cert, upper), Key: keyPEM(selfKey), CA: pem(root)}, nil, noon, issuer.CAUnreadable, nil},
		{"garbled", pki.Files{Cert: []byte("x"), Key: mine, CA: pem(root)}, nil, noon, issuer.CAUnreadable, nil},
		{"garbled ca.crt", pki.Files{Cert: pem(cert, upper), Key: mine, CA: []byte("x")}, nil, noon, issuer.CAUnreadable, nil},
		{"expired", pki.Files{Cert: pem(cert, upper), Key: mine, CA: pem(root)}, nil, noon.Add(80 * day), issuer.CAUnusable, nil},
		{"configured garbage", pki.Files{Cert: pem(cert, upper), Key: mine}, []byte("x"), noon, RootsInvalid, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, problem := assemble(tt.files, string(tt.configured), tt.at.Add(time.Second))
			if problem != nil {
				if problem.Reason != tt.want || problem.Message == "" {
					t.Errorf("%s: %s, want %q", problem.Reason, problem.Message, tt.want)
				}
				return
			}
			if tt.want != "" {
				t.Fatalf("accepted, want %s", tt.want)
			}
			if string(pem(got.Roots...)) != string(tt.roots) {
				t.Error("other roots")
			}
			if string(pem(got.Intermediates...)) != string(pem(cert, upper)) {
				t.Errorf("%d intermediates", len(got.Intermediates))
			}
		})
	}
}
