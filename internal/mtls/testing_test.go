package mtls

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/pki"
)

// testCA signs whatever a test asks for, past the checks of pki.
type testCA struct {
	*pki.CA
	key crypto.Signer
}

func newCA(t testing.TB) testCA {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "test", Algorithm: pki.ECDSAP256, Lifetime: 24 * time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	files, err := ca.Files()
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.ParseKey(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	return testCA{CA: ca, key: key}
}

// template is a good leaf, for a test to spoil.
func template(uris ...string) *x509.Certificate {
	c := &x509.Certificate{
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{"cart.shop.svc"},
	}
	for _, s := range uris {
		u, _ := url.Parse(s)
		c.URIs = append(c.URIs, u)
	}
	return c
}

func (ca testCA) files(t testing.TB, c *x509.Certificate) pki.Files {
	t.Helper()
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca.Signer, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pki.Files{Cert: pki.EncodeCertificates(cert), Key: keyPEM, CA: pki.EncodeCertificates(ca.Roots...)}
}

func (ca testCA) source(t testing.TB, c *x509.Certificate) *changing {
	t.Helper()
	return &changing{material: material(t, ca.files(t, c))}
}

func material(t testing.TB, f pki.Files) *Material {
	t.Helper()
	m, err := ParseMaterial(f.Cert, f.Key, f.CA)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// changing is a source that a test can change between handshakes.
type changing struct {
	material *Material
	err      error
}

func (c *changing) Material() (*Material, error) { return c.material, c.err }

func accept(t testing.TB, ids ...string) Verifier {
	t.Helper()
	var parsed []identity.ID
	for _, s := range ids {
		id, err := identity.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, id)
	}
	return Verifier{Accept: OneOf(parsed...)}
}

// handshake connects the two over a real socket, sends a byte each way and returns what each end says.
func handshake(t testing.TB, server, client *tls.Config) (state tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() {
		raw, err := listener.Accept()
		if err != nil {
			served <- err
			return
		}
		conn := tls.Server(raw, server)
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if err := conn.Handshake(); err != nil {
			served <- err
			return
		}
		_, err = conn.Write([]byte("x"))
		served <- err
	}()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, client)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	// In TLS 1.3 a client learns that it was refused only when it reads.
	clientErr = conn.Handshake()
	if clientErr == nil {
		_, clientErr = io.ReadFull(conn, make([]byte, 1))
	} else {
		raw.Close()
	}
	return conn.ConnectionState(), <-served, clientErr
}
