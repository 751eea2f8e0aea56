package http

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/authz"
)

// certificate signs itself; only its bytes and its subject count here.
func certificate(t testing.TB, subject pkix.Name) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestForwardedCert(t *testing.T) {
	tests := []struct {
		name        string
		subject     pkix.Name
		own, dn, by string
	}{
		{"a leaf of ours has no subject", pkix.Name{}, shop, "", shop},
		{"subject", pkix.Name{CommonName: "cart", Organization: []string{"Shop, Inc."}}, shop, `CN=cart,O=Shop\, Inc.`, shop},
		{"quotes", pkix.Name{CommonName: `a"b\`}, shop, `CN=a\"b\\`, shop},
		{"line break", pkix.Name{CommonName: "a\r\nX: é"}, shop, `CN=a\0D\0AX: \C3\A9`, shop},
		{"own name with a delimiter", pkix.Name{}, `spiffe://a;b="c"`, "", `"spiffe://a;b=\"c\""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert := certificate(t, tt.subject)
			hash := sha256.Sum256(cert.Raw)
			want := "By=" + tt.by + ";Hash=" + hex.EncodeToString(hash[:]) + `;Subject="` + tt.dn + `";URI=` + frontend
			got := forwardedCert(tt.own, &Connection{Certificate: cert, Peer: authz.Peer{MTLS: true, Identity: frontend}})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			if !validValue(got) {
				t.Error("not a value of a header")
			}
		})
	}
}

func TestNoForwardedCertWithoutProof(t *testing.T) {
	cert := certificate(t, pkix.Name{})
	for name, c := range map[string]Connection{
		"plaintext":  {},
		"not proven": {Certificate: cert, Peer: authz.Peer{Identity: frontend}},
		"no leaf":    {Peer: authz.Peer{MTLS: true, Identity: frontend}},
	} {
		if got := forwardedCert(shop, &c); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What a client says about itself is replaced by what it has proven, in requests and in the policy's view of them.
func TestForwardedCertIsOurs(t *testing.T) {
	cert := certificate(t, pkix.Name{})
	r := newRig(t, func(_ *rig, _ *Options, c *Connection) {
		c.Certificate, c.Peer.MTLS, c.Peer.Identity = cert, true, frontend
	})
	r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-Client-Cert: By=forged\r\nx-forwarded-client-CERT: By=forged\r\nX-Request-Id: r\r\n\r\n")
	value := forwardedCert(shop, &r.session.Connection)
	expect(t, r.accept(), "GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\nX-Forwarded-Client-Cert: "+value+"\r\n\r\n")
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff([]string{value}, r.asked[0].Header[nameXFCC]); diff != "" {
		t.Errorf("the policy's view (-want +got):\n%s", diff)
	}
}
