// Package ca is a certificate authority for tests, which signs whatever a test asks for.
package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/pki"
)

// CA signs past the checks of package pki.
type CA struct {
	*pki.CA
	key crypto.Signer
}

// New is a CA with a key of its own.
func New(t testing.TB) *CA {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "test", Algorithm: pki.ECDSAP256, Lifetime: 24 * time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	files, err := ca.Files()
	if err != nil {
		t.Fatal(err)
	}
	return Load(t, files)
}

// Load is a CA that somebody else made.
func Load(t testing.TB, files pki.Files) *CA {
	t.Helper()
	ca, err := pki.ParseCA(files)
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.ParseKey(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &CA{CA: ca, key: key}
}

// Template is a good leaf for the IDs, for a test to spoil.
func Template(ids ...string) *x509.Certificate {
	c := &x509.Certificate{
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	for _, id := range ids {
		u, _ := url.Parse(id)
		c.URIs = append(c.URIs, u)
	}
	return c
}

// Sign makes a certificate with a key of its own.
func (ca *CA) Sign(t testing.TB, template *x509.Certificate) *tls.Certificate {
	t.Helper()
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Signer, key.Public(), ca.key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// Bundle trusts the CAs.
func Bundle(t testing.TB, cas ...*CA) *mtls.Bundle {
	t.Helper()
	var roots []*x509.Certificate
	for _, ca := range cas {
		roots = append(roots, ca.Roots...)
	}
	bundle, err := mtls.NewBundle(roots...)
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// Source is a source of material that a test can change. It is safe for concurrent use.
type Source struct {
	mu       sync.Mutex
	material *mtls.Material
	err      error
}

// Source has a certificate of the template, and trusts the CA.
func (ca *CA) Source(t testing.TB, template *x509.Certificate) *Source {
	t.Helper()
	return &Source{material: &mtls.Material{Certificate: ca.Sign(t, template), Bundle: Bundle(t, ca)}}
}

// Material is the current material.
func (s *Source) Material() (*mtls.Material, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.material, s.err
}

// Trust replaces the bundle.
func (s *Source) Trust(bundle *mtls.Bundle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.material = &mtls.Material{Certificate: s.material.Certificate, Bundle: bundle}
}

// Fail makes every question an error; nil ends that.
func (s *Source) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Use replaces all of the material.
func (s *Source) Use(m *mtls.Material) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.material = m
}
