package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/identity"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func mustID(t testing.TB, s string) identity.ID {
	t.Helper()
	id, err := identity.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func mustKey(t testing.TB, algorithm KeyAlgorithm) crypto.Signer {
	t.Helper()
	key, err := NewKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustCA(t testing.TB) *CA {
	t.Helper()
	ca, err := NewCA(CAOptions{CommonName: "cluster.local workload CA", Algorithm: ECDSAP256, Lifetime: 3650 * day}, now)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// signed makes a certificate with a template of the test's own, past all checks.
func signed(t testing.TB, ca *CA, template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	cert, err := create(template, ca.Signer, public, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestNewCA(t *testing.T) {
	for _, algorithm := range []KeyAlgorithm{ECDSAP256, ECDSAP384, Ed25519} {
		ca, err := NewCA(CAOptions{CommonName: "test", Algorithm: algorithm, Lifetime: day}, now)
		if err != nil {
			t.Fatal(err)
		}
		cert := ca.Signer
		if AlgorithmOf(cert.PublicKey) != algorithm || !cert.IsCA || cert.MaxPathLen != 0 || !cert.MaxPathLenZero ||
			cert.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(ca.Intermediates) != 0 || !ca.Roots[0].Equal(cert) {
			t.Errorf("%s: CA certificate is not as it should be: %+v", algorithm, cert)
		}
		files, err := ca.Files()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseCA(files)
		if err != nil {
			t.Fatal(err)
		}
		if !again.Signer.Equal(cert) || !sameKey(again.key.Public(), ca.key.Public()) {
			t.Errorf("%s: a CA written and read is another", algorithm)
		}
	}
	if _, err := NewCA(CAOptions{Algorithm: "RSA_512", Lifetime: day}, now); err == nil {
		t.Error("an unknown algorithm makes a CA")
	}
}

func TestSignWorkload(t *testing.T) {
	ca := mustCA(t)
	id := mustID(t, "spiffe://cluster.local/ns/shop/sa/cart")
	for _, algorithm := range []KeyAlgorithm{ECDSAP256, ECDSAP384, Ed25519} {
		key := mustKey(t, algorithm)
		cert, err := ca.SignWorkload(WorkloadRequest{ID: id, PublicKey: key.Public(), Lifetime: day}, now)
		if err != nil {
			t.Fatal(err)
		}
		if len(cert.URIs) != 1 || cert.URIs[0].String() != id.String() || len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.EmailAddresses) != 0 {
			t.Errorf("%s: names: %v %v", algorithm, cert.URIs, cert.DNSNames)
		}
		if cert.Subject.String() != "" || !sanIsCritical(cert) {
			t.Errorf("%s: subject %q, SAN critical %v", algorithm, cert.Subject, sanIsCritical(cert))
		}
		if !cert.NotBefore.Equal(now.Add(-Backdate)) || !cert.NotAfter.Equal(now.Add(day)) {
			t.Errorf("%s: validity %s to %s", algorithm, cert.NotBefore, cert.NotAfter)
		}
		if cert.KeyUsage != x509.KeyUsageDigitalSignature || cert.IsCA || cert.SerialNumber.BitLen() < 64 {
			t.Errorf("%s: usage %v, CA %v, serial of %d bits", algorithm, cert.KeyUsage, cert.IsCA, cert.SerialNumber.BitLen())
		}
	}
}

func sanIsCritical(cert *x509.Certificate) bool {
	for _, extension := range cert.Extensions {
		if extension.Id.String() == "2.5.29.17" {
			return extension.Critical
		}
	}
	return false
}

func TestSignRefuses(t *testing.T) {
	ca := mustCA(t)
	request := WorkloadRequest{ID: mustID(t, "spiffe://cluster.local/ns/a/sa/b"), PublicKey: mustKey(t, ECDSAP256).Public(), Lifetime: day}

	if cert, err := ca.SignWorkload(request, ca.Signer.NotAfter); err == nil {
		t.Errorf("an expired CA signs: %v", cert.NotAfter)
	}
	if _, err := ca.SignWorkload(request, ca.Signer.NotBefore.Add(-time.Second)); err == nil {
		t.Error("a CA that is not yet valid signs")
	}
	nobody := request
	nobody.ID = identity.ID{}
	if _, err := ca.SignWorkload(nobody, now); err == nil {
		t.Error("a certificate for nobody is signed")
	}
	short := request
	short.Lifetime = -time.Second
	if _, err := ca.SignWorkload(short, now); err == nil {
		t.Error("a certificate that has expired is signed")
	}
	late := ca.Signer.NotAfter.Add(-time.Hour)
	cert, err := ca.SignWorkload(request, late)
	if err != nil {
		t.Fatal(err)
	}
	if !cert.NotAfter.Equal(ca.Signer.NotAfter) {
		t.Errorf("a certificate ends at %s, its CA at %s", cert.NotAfter, ca.Signer.NotAfter)
	}
}

func TestSignChecksWhatTheCAMayDo(t *testing.T) {
	for name, usage := range map[string]x509.ExtKeyUsage{"clients": x509.ExtKeyUsageClientAuth, "servers": x509.ExtKeyUsageServerAuth} {
		limited := intermediateOf(t, rootCA(t), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{usage} })
		below := intermediateOf(t, limited, nil)
		asRoot := &CA{key: limited.key, Authority: Authority{Signer: limited.Signer, Roots: []*x509.Certificate{limited.Signer}}}
		request := WorkloadRequest{ID: mustID(t, "spiffe://cluster.local/ns/a/sa/b"), PublicKey: mustKey(t, ECDSAP256).Public(), Lifetime: time.Hour}
		for place, ca := range map[string]*CA{"as root": asRoot, "as intermediate": limited, "from above": below} {
			if err := ca.Usable(now); err != nil {
				t.Fatal(err)
			}
			if _, err := ca.SignWorkload(request, now); err == nil {
				t.Errorf("a CA that is for %s only %s has signed a certificate for both", name, place)
			}
		}
	}
}

func TestSignServing(t *testing.T) {
	ca := mustCA(t)
	cert, err := ca.SignServing(ServingRequest{DNSNames: []string{"warifu-webhook.warifu-system.svc"}, PublicKey: mustKey(t, ECDSAP256).Public(), Lifetime: day}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.VerifyHostname("warifu-webhook.warifu-system.svc"); err != nil {
		t.Error(err)
	}
	if len(cert.URIs) != 0 || len(cert.ExtKeyUsage) != 1 || cert.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("a serving certificate with URIs %v and usages %v", cert.URIs, cert.ExtKeyUsage)
	}
	if _, err := ca.SignServing(ServingRequest{PublicKey: mustKey(t, ECDSAP256).Public(), Lifetime: day}, now); err == nil {
		t.Error("a serving certificate without a name")
	}
}

func TestParseCA(t *testing.T) {
	good, err := mustCA(t).Files()
	if err != nil {
		t.Fatal(err)
	}
	other, err := mustCA(t).Files()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		files Files
		want  string
	}{
		"good":             {good, ""},
		"no certificate":   {Files{Key: good.Key, CA: good.CA}, "tls.crt: no PEM certificate"},
		"no key":           {Files{Cert: good.Cert, CA: good.CA}, "tls.key: no PEM private key"},
		"no roots":         {Files{Cert: good.Cert, Key: good.Key}, "ca.crt: no PEM certificate"},
		"garbled key":      {Files{Cert: good.Cert, Key: []byte("hello"), CA: good.CA}, "tls.key: no PEM"},
		"key of another":   {Files{Cert: good.Cert, Key: other.Key, CA: good.CA}, "not the key of the certificate"},
		"key for cert":     {Files{Cert: good.Key, Key: good.Key, CA: good.CA}, "where a certificate is wanted"},
		"certificate key":  {Files{Cert: good.Cert, Key: good.Cert, CA: good.CA}, "where a private key is wanted"},
		"broken DER":       {Files{Cert: []byte("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"), Key: good.Key, CA: good.CA}, "tls.crt: certificate 1"},
		"a megabyte of it": {Files{Cert: []byte(strings.Repeat(string(good.Cert), 4000)), Key: good.Key, CA: good.CA}, "at most"},
	}
	for name, test := range tests {
		_, err := ParseCA(test.files)
		if (test.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

func TestUsable(t *testing.T) {
	ca, other := mustCA(t), mustCA(t)
	leafKey := mustKey(t, ECDSAP256)
	leafCert, err := ca.SignWorkload(WorkloadRequest{ID: mustID(t, "spiffe://cluster.local/ns/a/sa/b"), PublicKey: leafKey.Public(), Lifetime: day}, now)
	if err != nil {
		t.Fatal(err)
	}
	intermediate := signed(t, &CA{Authority: Authority{Signer: longPath(t, ca.key)}, key: ca.key}, &x509.Certificate{
		Subject: pkix.Name{CommonName: "intermediate"}, NotBefore: now, NotAfter: now.Add(day), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, leafKey.Public())

	tests := map[string]struct {
		authority Authority
		now       time.Time
		want      string
	}{
		"self-signed":   {ca.Authority, now, ""},
		"expired":       {ca.Authority, ca.Signer.NotAfter, "expired"},
		"not yet valid": {ca.Authority, ca.Signer.NotBefore.Add(-time.Second), "not valid before"},
		"other root":    {Authority{Signer: ca.Signer, Roots: other.Roots}, now, "does not lead to a root"},
		"a leaf":        {Authority{Signer: leafCert, Roots: ca.Roots}, now, "is not a CA"},
		"root is leaf":  {Authority{Signer: ca.Signer, Roots: []*x509.Certificate{ca.Signer, leafCert}}, now, "is not a CA"},
		"intermediate": {Authority{Signer: intermediate, Intermediates: []*x509.Certificate{intermediate},
			Roots: []*x509.Certificate{longPath(t, ca.key)}}, now.Add(time.Minute), ""},
	}
	for name, test := range tests {
		err := test.authority.Usable(test.now)
		if (test.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

// longPath is a root that may have intermediates below it.
func longPath(t testing.TB, key crypto.Signer) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: now, NotAfter: now.Add(2 * day), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := create(template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestParseKeyForms(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []crypto.Signer{mustKey(t, ECDSAP256), mustKey(t, ECDSAP384), mustKey(t, Ed25519), rsaKey} {
		data, err := EncodeKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(data), "-----BEGIN PRIVATE KEY-----") {
			t.Errorf("%T is not written as PKCS#8", key)
		}
		again, err := ParseKey(data)
		if err != nil || !sameKey(again.Public(), key.Public()) {
			t.Errorf("%T written and read: %v", key, err)
		}
	}
}

// TestOpenSSL asks an independent implementation.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	current := time.Now()
	ca, err := NewCA(CAOptions{CommonName: "test", Algorithm: ECDSAP384, Lifetime: day}, current)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.SignWorkload(WorkloadRequest{ID: mustID(t, "spiffe://cluster.local/ns/a/sa/b"), PublicKey: mustKey(t, Ed25519).Public(), Lifetime: time.Hour}, current)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, c := range map[string]*x509.Certificate{"ca.crt": ca.Signer, "tls.crt": cert} {
		if err := os.WriteFile(filepath.Join(dir, name), EncodeCertificates(c), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, purpose := range []string{"sslserver", "sslclient"} {
		out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", purpose, "-CAfile", filepath.Join(dir, "ca.crt"), filepath.Join(dir, "tls.crt")).CombinedOutput()
		if err != nil {
			t.Errorf("openssl verify -purpose %s: %v\n%s", purpose, err, out)
		}
	}
}

// FuzzPEM feeds the parsers: no panic, no input beyond the limit, and what parses is written back to the same thing.
func FuzzPEM(f *testing.F) {
	files, err := mustCA(f).Files()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(files.Cert)
	f.Add(files.Key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := ParseCertificates(data)
		if err == nil {
			if len(certs) == 0 {
				t.Fatal("no certificate and no error")
			}
			again, err := ParseCertificates(EncodeCertificates(certs...))
			if err != nil || !sameChain(certs, again) {
				t.Fatalf("written and read: %v", err)
			}
		}
		if key, err := ParseKey(data); err == nil && key == nil {
			t.Fatal("no key and no error")
		}
	})
}
