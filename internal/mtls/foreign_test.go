package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/pki"
)

// foreignServer serves with a certificate of its own and, with want, asks for one.
func foreignServer(t testing.TB, f pki.Files, want tls.ClientAuthType) *tls.Config {
	t.Helper()
	certificate, err := tls.X509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: want}
}

func foreignClient(t testing.TB, f Foreign) *tls.Config {
	t.Helper()
	config, err := ForeignClientConfig(f)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// server is a good certificate of a foreign server, for a test to spoil.
func server(change func(*x509.Certificate)) *x509.Certificate {
	c := template()
	c.DNSNames = nil
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	change(c)
	return c
}

func dns(names ...string) *x509.Certificate {
	return server(func(c *x509.Certificate) { c.DNSNames = names })
}

func TestForeignServerNames(t *testing.T) {
	ca := newCA(t)
	uri := func(s string) *x509.Certificate {
		return server(func(c *x509.Certificate) {
			u, err := url.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			c.URIs = []*url.URL{u}
		})
	}
	ip := func(s string) *x509.Certificate {
		return server(func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP(s)} })
	}
	tests := []struct {
		name  string
		cert  *x509.Certificate
		names string
		ok    bool
	}{
		{"DNS name", dns("api.example"), "api.example", true},
		{"DNS name in another case", dns("API.Example"), "api.eXample", true},
		{"DNS name with final dot", dns("api.example"), "api.example.", true},
		{"second of two", dns("api.example"), "other.example,api.example", true},
		{"another DNS name", dns("api.example"), "other.example", false},
		{"prefix of a DNS name", dns("api.example.evil"), "api.example", false},
		{"suffix of a DNS name", dns("evil-api.example"), "api.example", false},
		{"NUL in a DNS name", dns("api.example\x00.evil"), "api.example", false},
		{"wildcard", dns("*.example.org"), "api.example.org", true},
		{"wildcard over two labels", dns("*.example.org"), "a.b.example.org", false},
		{"wildcard over no label", dns("*.example.org"), "example.org", false},
		{"wildcard over an empty label", dns("*.example.org"), ".example.org", false},
		{"part of a label", dns("a*.example.org"), "api.example.org", false},
		{"part of a label, other end", dns("*i.example.org"), "api.example.org", false},
		{"wildcard inside", dns("api.*.org"), "api.example.org", false},
		{"two wildcards", dns("*.*.org"), "api.example.org", false},
		{"wildcard alone", dns("*"), "localhost", false},
		{"wildcard wanted, host shown", dns("api.example.org"), "*.example.org", false},
		{"URI", uri("spiffe://other.example/db"), "spiffe://other.example/db", true},
		{"another URI", uri("spiffe://other.example/db2"), "spiffe://other.example/db", false},
		{"URI in another case", uri("spiffe://other.example/DB"), "spiffe://other.example/db", false},
		{"URI that would be normalised", uri("spiffe://other.example/%64b"), "spiffe://other.example/db", false},
		{"URI as a DNS name", dns("spiffe://other.example/db"), "spiffe://other.example/db", false},
		{"DNS name as a URI", uri("https://api.example"), "api.example", false},
		{"DNS name as an opaque URI", uri("api.example"), "api.example", false},
		{"IP address", ip("10.1.2.3"), "10.1.2.3", true},
		{"IPv6 address", ip("fd00::1"), "fd00:0::1", true},
		{"another IP address", ip("10.1.2.4"), "10.1.2.3", false},
		{"IP address as a DNS name", dns("10.1.2.3"), "10.1.2.3", false},
		{"IP address and DNS wildcard", dns("*.1.2.3"), "10.1.2.3", false},
		{"e-mail address", server(func(c *x509.Certificate) { c.EmailAddresses = []string{"api.example"} }), "api.example", false},
		{"common name", server(func(c *x509.Certificate) { c.Subject.CommonName = "api.example" }), "api.example", false},
		{"no name", server(func(*x509.Certificate) {}), "api.example", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := ca.files(t, test.cert)
			// SNI is right throughout: it must not stand in for a name.
			client := foreignClient(t, Foreign{CACertificates: files.CA, SubjectAltNames: strings.Split(test.names, ","), SNI: "api.example"})
			_, _, err := handshake(t, foreignServer(t, files, tls.NoClientCert), client)
			if test.ok && err != nil {
				t.Error(err)
			}
			if !test.ok && (err == nil || !strings.Contains(err.Error(), "expected one of")) {
				t.Errorf("error %v, want one that says what was expected", err)
			}
		})
	}
}

func TestForeignServerRefused(t *testing.T) {
	ca := newCA(t)
	good := []string{"api.example"}
	spoilt := func(change func(*x509.Certificate)) *x509.Certificate {
		return server(func(c *x509.Certificate) { c.DNSNames = good; change(c) })
	}
	tests := map[string]struct {
		ca   testCA
		cert *x509.Certificate
		want string
	}{
		"another CA":    {newCA(t), dns(good...), "unknown authority"},
		"expired":       {ca, spoilt(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }), "expired"},
		"not yet valid": {ca, spoilt(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "not yet valid"},
		"for clients":   {ca, spoilt(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), "incompatible key usage"},
		"for mail":      {ca, spoilt(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }), "incompatible key usage"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := foreignClient(t, Foreign{CACertificates: pki.EncodeCertificates(ca.Roots...), SubjectAltNames: good})
			_, _, err := handshake(t, foreignServer(t, test.ca.files(t, test.cert), tls.NoClientCert), client)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestForeignMutual(t *testing.T) {
	ca := newCA(t)
	files, own := ca.files(t, dns("api.example")), newCA(t).files(t, template(cartID))
	foreign := Foreign{CACertificates: files.CA, SubjectAltNames: []string{"api.example"}, ClientCertificate: own.Cert, PrivateKey: own.Key}
	asks := foreignServer(t, files, tls.RequireAnyClientCert)
	asks.ClientCAs = x509.NewCertPool() // of others: the certificate is shown nevertheless
	asks.ClientCAs.AddCert(ca.Signer)
	if _, serverErr, err := handshake(t, asks, foreignClient(t, foreign)); serverErr != nil || err != nil {
		t.Errorf("server: %v, client: %v", serverErr, err)
	}
	foreign.ClientCertificate, foreign.PrivateKey = nil, nil
	if _, serverErr, _ := handshake(t, asks, foreignClient(t, foreign)); serverErr == nil {
		t.Error("SIMPLE shows a certificate")
	}
}

func TestForeignVersionsAndResumption(t *testing.T) {
	ca := newCA(t)
	files := ca.files(t, dns("api.example"))
	client := foreignClient(t, Foreign{CACertificates: files.CA, SubjectAltNames: []string{"api.example"}, SNI: "api.example"})
	var sni string
	for version, ok := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		server := foreignServer(t, files, tls.NoClientCert)
		server.MinVersion, server.MaxVersion = tls.VersionTLS10, version
		server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			sni = hello.ServerName
			return nil, nil
		}
		for range 2 {
			state, _, err := handshake(t, server, client)
			if (err == nil) != ok || state.DidResume {
				t.Errorf("version %x: %v, resumed %v", version, err, state.DidResume)
			}
		}
	}
	if sni != "api.example" {
		t.Errorf("SNI %q", sni)
	}
	if client.VerifyPeerCertificate != nil || client.ClientSessionCache != nil || client.Renegotiation != tls.RenegotiateNever {
		t.Errorf("a known trap: %+v", client)
	}
}

func TestForeignSkipsVerificationOnlyWhenTold(t *testing.T) {
	files := newCA(t).files(t, dns("api.example"))
	for name, config := range map[string]*tls.Config{
		"insecureSkipVerify": foreignClient(t, Foreign{InsecureSkipVerify: true}),
		"a probe":            UnverifiedClientConfig(),
	} {
		if _, _, err := handshake(t, foreignServer(t, files, tls.NoClientCert), config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignMistakes(t *testing.T) {
	ca := newCA(t)
	files, names := ca.files(t, dns("api.example")), []string{"api.example"}
	other := ca.files(t, dns("api.example"))
	tests := map[string]struct {
		foreign Foreign
		want    string
	}{
		"nothing":            {Foreign{}, "caCertificates: nobody vouches"},
		"names only":         {Foreign{SubjectAltNames: names}, "caCertificates: nobody vouches"},
		"CA only":            {Foreign{CACertificates: files.CA}, "subjectAltNames"},
		"CA is text":         {Foreign{CACertificates: []byte("hello"), SubjectAltNames: names}, "caCertificates: trust bundle has no certificate"},
		"CA is a leaf":       {Foreign{CACertificates: files.Cert, SubjectAltNames: names}, "not a CA"},
		"e-mail":             {Foreign{CACertificates: files.CA, SubjectAltNames: []string{"a@api.example"}}, "no URI, IP address or DNS name"},
		"empty name":         {Foreign{CACertificates: files.CA, SubjectAltNames: []string{""}}, "no URI, IP address or DNS name"},
		"NUL":                {Foreign{CACertificates: files.CA, SubjectAltNames: []string{"api\x00.example"}}, "no URI, IP address or DNS name"},
		"CRL is text":        {Foreign{CACertificates: files.CA, SubjectAltNames: names, CACRL: []byte("x")}, "caCrl: no revocation list"},
		"CRL is certificate": {Foreign{CACertificates: files.CA, SubjectAltNames: names, CACRL: files.CA}, "X509 CRL is wanted"},
		"certificate alone":  {Foreign{CACertificates: files.CA, SubjectAltNames: names, ClientCertificate: files.Cert}, "clientCertificate, privateKey"},
		"key of another":     {Foreign{CACertificates: files.CA, SubjectAltNames: names, ClientCertificate: files.Cert, PrivateKey: other.Key}, "does not match"},
		"skip and CA":        {Foreign{InsecureSkipVerify: true, CACertificates: files.CA}, "caCertificates asks for"},
		"skip and names":     {Foreign{InsecureSkipVerify: true, SubjectAltNames: names}, "subjectAltNames asks for"},
		"skip and CRL":       {Foreign{InsecureSkipVerify: true, CACRL: files.CA}, "caCrl asks for"},
	}
	for name, test := range tests {
		config, err := ForeignClientConfig(test.foreign)
		if err == nil || config != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
