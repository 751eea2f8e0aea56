package mtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
)

const (
	cartID = "spiffe://cluster.local/ns/shop/sa/cart"
	payID  = "spiffe://cluster.local/ns/shop/sa/pay"
)

func TestBothEndsProveThemselves(t *testing.T) {
	ca := newCA(t)
	server := ServerConfig(ca.source(t, template(cartID)), accept(t, payID))
	client := ClientConfig(ca.source(t, template(payID)), accept(t, cartID))
	state, serverErr, clientErr := handshake(t, server, client)
	if serverErr != nil || clientErr != nil {
		t.Fatalf("server: %v, client: %v", serverErr, clientErr)
	}
	if state.Version != tls.VersionTLS13 {
		t.Errorf("TLS version %x", state.Version)
	}
	if id, err := PeerID(state); err != nil || id.String() != cartID {
		t.Errorf("PeerID = %v, %v", id, err)
	}
}

// TestProxyServerALPN: the mesh's name is agreed on where it is offered; other names do not fail the handshake.
func TestProxyServerALPN(t *testing.T) {
	ca := newCA(t)
	server := ProxyServerConfig(ca.source(t, template(cartID)), accept(t, payID))
	for _, test := range []struct {
		offered []string
		want    string
	}{
		{nil, ""}, {[]string{naming.ALPN}, naming.ALPN}, {[]string{"h2", naming.ALPN}, naming.ALPN}, {[]string{"h2", "http/1.1"}, ""},
	} {
		client := ClientConfig(ca.source(t, template(payID)), accept(t, cartID))
		client.NextProtos = test.offered
		state, serverErr, clientErr := handshake(t, server, client)
		if serverErr != nil || clientErr != nil || state.NegotiatedProtocol != test.want {
			t.Errorf("offered %q: agreed on %q, want %q; server: %v, client: %v", test.offered, state.NegotiatedProtocol, test.want, serverErr, clientErr)
		}
		client = ClientConfig(ca.source(t, template("spiffe://cluster.local/ns/shop/sa/other")), accept(t, cartID))
		client.NextProtos = test.offered
		var refusal *Refusal
		if _, serverErr, _ := handshake(t, server, client); !errors.As(serverErr, &refusal) {
			t.Errorf("offered %q: another identity: %v, want a refusal", test.offered, serverErr)
		}
	}
}

func TestRefusals(t *testing.T) {
	ca, foreign := newCA(t), newCA(t)
	spoilt := func(uri string, change func(*x509.Certificate)) *x509.Certificate {
		c := template(uri)
		change(c)
		return c
	}
	tests := []struct {
		name string
		ca   testCA
		cert *x509.Certificate
		want string // in the error of the end that verifies
	}{
		{"another identity", ca, template("spiffe://cluster.local/ns/shop/sa/other"), "expected one of spiffe://cluster.local/ns/shop/sa/peer"},
		{"another namespace", ca, template("spiffe://cluster.local/ns/other/sa/peer"), "expected one of spiffe://cluster.local/ns/shop/sa/peer"},
		{"another trust domain", ca, template("spiffe://other.example/ns/shop/sa/peer"), "expected one of spiffe://cluster.local/ns/shop/sa/peer"},
		{"another CA", foreign, template("spiffe://cluster.local/ns/shop/sa/peer"), "unknown authority"},
		{"two URI SANs", ca, template("spiffe://cluster.local/ns/shop/sa/peer", "spiffe://cluster.local/ns/shop/sa/other"), "2 URI SANs"},
		{"no URI SAN", ca, template(), "0 URI SANs"},
		{"not our kind of ID", ca, template("spiffe://cluster.local/workload/peer"), "want spiffe://"},
		{"expired", ca, spoilt("spiffe://cluster.local/ns/shop/sa/peer", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }), "expired at"},
		{"not yet valid", ca, spoilt("spiffe://cluster.local/ns/shop/sa/peer", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), "not valid before"},
		{"no extended usage", ca, spoilt("spiffe://cluster.local/ns/shop/sa/peer", func(c *x509.Certificate) { c.ExtKeyUsage = nil }), "lacks the usage"},
		{"any extended usage", ca, spoilt("spiffe://cluster.local/ns/shop/sa/peer", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), "lacks the usage"},
		{"a CA", ca, spoilt("spiffe://cluster.local/ns/shop/sa/peer", func(c *x509.Certificate) { c.IsCA = true }), "CA certificate"},
	}
	peer := "spiffe://cluster.local/ns/shop/sa/peer"
	for _, test := range tests {
		t.Run("client is "+test.name, func(t *testing.T) {
			server := ServerConfig(ca.source(t, template(cartID)), accept(t, peer))
			source := test.ca.source(t, test.cert)
			source.material.Bundle = ca.source(t, template(cartID)).material.Bundle
			_, serverErr, clientErr := handshake(t, server, ClientConfig(source, accept(t, cartID)))
			if serverErr == nil || clientErr == nil || !strings.Contains(serverErr.Error(), test.want) {
				t.Errorf("server: %v, client: %v, want %q", serverErr, clientErr, test.want)
			}
		})
		t.Run("server is "+test.name, func(t *testing.T) {
			server := ServerConfig(test.ca.source(t, test.cert), Verifier{Accept: func(identity.ID) error { return nil }})
			client := ClientConfig(ca.source(t, template(payID)), accept(t, peer))
			_, _, clientErr := handshake(t, server, client)
			if clientErr == nil || !strings.Contains(clientErr.Error(), test.want) {
				t.Errorf("client: %v, want %q", clientErr, test.want)
			}
		})
	}
}

func TestUsageOfTheRole(t *testing.T) {
	ca := newCA(t)
	clientOnly, serverOnly := template(payID), template(payID)
	clientOnly.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	serverOnly.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}

	_, _, err := handshake(t, ServerConfig(ca.source(t, clientOnly), accept(t, cartID)), ClientConfig(ca.source(t, template(cartID)), accept(t, payID)))
	if err == nil || !strings.Contains(err.Error(), "lacks the usage server authentication") {
		t.Errorf("a certificate for clients serves: %v", err)
	}
	_, serverErr, _ := handshake(t, ServerConfig(ca.source(t, template(cartID)), accept(t, payID)), ClientConfig(ca.source(t, serverOnly), accept(t, cartID)))
	if serverErr == nil || !strings.Contains(serverErr.Error(), "lacks the usage client authentication") {
		t.Errorf("a certificate for servers is a client's: %v", serverErr)
	}
}

func TestClientWithoutCertificate(t *testing.T) {
	ca := newCA(t)
	server := ServerConfig(ca.source(t, template(cartID)), Verifier{Accept: func(identity.ID) error { return nil }})
	client := ClientConfig(ca.source(t, template(payID)), accept(t, cartID))
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	_, serverErr, clientErr := handshake(t, server, client)
	if serverErr == nil || clientErr == nil {
		t.Errorf("a client without certificate is served: %v, %v", serverErr, clientErr)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	ca := newCA(t)
	client := ClientConfig(ca.source(t, template(payID)), accept(t, cartID))
	client.MinVersion, client.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, serverErr, _ := handshake(t, ServerConfig(ca.source(t, template(cartID)), accept(t, payID)), client); serverErr == nil {
		t.Error("TLS 1.2 is served")
	}
}

// TestNothingIsAcceptedByDefault: a verifier that nobody filled in, an empty list, a source without trust.
func TestNothingIsAcceptedByDefault(t *testing.T) {
	ca := newCA(t)
	broken := errors.New("ca.crt is missing")
	without := ca.source(t, template(cartID))
	without.material = &Material{Certificate: without.material.Certificate}
	tests := map[string]struct {
		source   Source
		verifier Verifier
	}{
		"zero verifier":     {ca.source(t, template(cartID)), Verifier{}},
		"no identities":     {ca.source(t, template(cartID)), Verifier{Accept: OneOf()}},
		"no trust domains":  {ca.source(t, template(cartID)), Verifier{Accept: Member()}},
		"no bundle":         {without, accept(t, payID)},
		"no material":       {&changing{}, accept(t, payID)},
		"material is error": {&changing{err: broken}, accept(t, payID)},
	}
	for name, test := range tests {
		client := ClientConfig(ca.source(t, template(payID)), accept(t, cartID))
		if _, serverErr, clientErr := handshake(t, ServerConfig(test.source, test.verifier), client); serverErr == nil || clientErr == nil {
			t.Errorf("server with %s: %v, %v", name, serverErr, clientErr)
		}
		client = ClientConfig(test.source, test.verifier)
		client.GetClientCertificate = nil // only what the client verifies is looked at here
		if _, _, err := handshake(t, ServerConfig(ca.source(t, template(payID)), accept(t, cartID)), client); err == nil {
			t.Errorf("client with %s accepts", name)
		}
	}
}

func TestMember(t *testing.T) {
	id, err := identity.Parse(cartID)
	if err != nil {
		t.Fatal(err)
	}
	if err := Member("other", "cluster.local")(id); err != nil {
		t.Error(err)
	}
	if Member("cluster.loca", "local")(id) == nil {
		t.Error("a part of a trust domain is accepted as the whole")
	}
}

// TestNoResumption: trust that was taken away must bite at the next connection, so no connection may stand on an older one.
func TestNoResumption(t *testing.T) {
	ca := newCA(t)
	trusted := ca.source(t, template(cartID))
	server := ServerConfig(trusted, accept(t, payID))
	client := ClientConfig(ca.source(t, template(payID)), accept(t, cartID))
	client.ClientSessionCache = tls.NewLRUClientSessionCache(8) // a client that would like to resume
	for range 3 {
		state, serverErr, clientErr := handshake(t, server, client)
		if serverErr != nil || clientErr != nil || state.DidResume {
			t.Fatalf("server %v, client %v, resumed %v", serverErr, clientErr, state.DidResume)
		}
	}
	other := newCA(t)
	trusted.material = &Material{Certificate: trusted.material.Certificate, Bundle: other.source(t, template(cartID)).material.Bundle}
	if _, serverErr, _ := handshake(t, server, client); serverErr == nil {
		t.Error("a root that was taken away is still trusted")
	}
}

// TestRotationNeedsNoRestart: one configuration, made once, follows its source.
func TestRotationNeedsNoRestart(t *testing.T) {
	ca := newCA(t)
	source := ca.source(t, template(cartID))
	server := ServerConfig(source, accept(t, payID))
	client := ClientConfig(ca.source(t, template(payID)), accept(t, cartID))
	serial := func() string {
		state, serverErr, clientErr := handshake(t, server, client)
		if serverErr != nil || clientErr != nil {
			t.Fatalf("server: %v, client: %v", serverErr, clientErr)
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	source.material = ca.source(t, template(cartID)).material
	if after := serial(); after == before {
		t.Error("a renewed certificate is not shown")
	}
}

func TestConfigsAvoidTheKnownTraps(t *testing.T) {
	ca := newCA(t)
	source := ca.source(t, template(cartID))
	for name, config := range map[string]*tls.Config{"server": ServerConfig(source, Verifier{}), "client": ClientConfig(source, Verifier{})} {
		if config.VerifyPeerCertificate != nil || config.VerifyConnection == nil || !config.SessionTicketsDisabled ||
			config.ClientSessionCache != nil || config.MinVersion != tls.VersionTLS13 {
			t.Errorf("%s: %+v", name, config)
		}
	}
}

func TestParseBundle(t *testing.T) {
	ca := newCA(t)
	good := ca.files(t, template(cartID))
	if bundle, err := ParseBundle(append(bytes.Clone(good.CA), newCA(t).files(t, template(cartID)).CA...)); err != nil || len(bundle.Roots()) != 2 {
		t.Errorf("two roots: %v", err)
	}
	for name, data := range map[string][]byte{
		"nil":              nil,
		"empty":            {},
		"text":             []byte("hello"),
		"a leaf":           good.Cert,
		"a key":            good.Key,
		"a root and a key": append(bytes.Clone(good.CA), good.Key...),
		"broken":           []byte("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"),
		"too long":         bytes.Repeat(good.CA, maxBundle/len(good.CA)+1),
	} {
		if _, err := ParseBundle(data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestWebhookServer(t *testing.T) {
	ca := newCA(t)
	source := ca.source(t, template(cartID))
	config := &tls.Config{}
	WebhookServer(func() (*tls.Certificate, error) { return source.material.Certificate, nil })(config)
	client := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "cart.shop.svc"}
	client.RootCAs.AddCert(ca.Signer)
	if _, serverErr, clientErr := handshake(t, config, client); serverErr != nil || clientErr != nil {
		t.Errorf("server: %v, client: %v", serverErr, clientErr)
	}
	WebhookServer(func() (*tls.Certificate, error) { return nil, nil })(config)
	if _, serverErr, _ := handshake(t, config, client); serverErr == nil {
		t.Error("a webhook without certificate serves")
	}
}
