package l4

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/ca"
)

// client is one way to begin.
type client struct {
	name   string
	config func(*world) *tls.Config // nil: plaintext
	// Expected: on STRICT, PERMISSIVE and DISABLE ports, without and with HTTP.
	strict, strictHTTP, permissive, permissiveHTTP, disable, disableHTTP string
}

// presenting is TLS with a certificate that the mesh's own client would not use, and believes the server.
func presenting(alpn string, spoil func(*x509.Certificate), ids ...string) func(*world) *tls.Config {
	return func(w *world) *tls.Config {
		template := ca.Template(ids...)
		if spoil != nil {
			spoil(template)
		}
		certificate := w.ca.Sign(w.t, template)
		return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}, ServerName: "cart",
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }}
	}
}

func anonymous(alpn string) func(*world) *tls.Config {
	return func(*world) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}, ServerName: "cart"}
	}
}

const (
	wanted      = "alert tls: certificate required"
	bad         = "alert tls: bad certificate"
	served      = "app ping"
	servedTLS   = "app-tls ping"
	asNobody    = "http  ping"
	asPay       = "http " + payID + " ping"
	notTLS      = "tls: first record does not look like a TLS handshake"
	resetClient = "reset"
)

// spoilt is the row of a client whose certificate is not accepted: the same for every reason.
func spoilt(name string, spoil func(*x509.Certificate), ids ...string) client {
	return client{name, presenting("warifu/1", spoil, ids...), bad, bad, bad, bad, servedTLS, notTLS}
}

func clients() []client {
	return []client{
		{"plaintext", nil, resetClient, resetClient, served, asNobody, served, asNobody},
		{"mesh TLS", presenting("warifu/1", nil, payID), served, asPay, served, asPay, servedTLS, notTLS},
		{"a mesh certificate, another ALPN", presenting("h2", nil, payID), served, asPay, servedTLS, asPay, servedTLS, notTLS},
		{"no certificate", anonymous("h2"), wanted, wanted, servedTLS, wanted, servedTLS, notTLS},
		{"no certificate, our ALPN", anonymous("warifu/1"), wanted, wanted, wanted, wanted, servedTLS, notTLS},
		spoilt("another trust domain", nil, "spiffe://other.example/ns/shop/sa/pay"),
		spoilt("two URI SANs", nil, payID, cartID),
		spoilt("no URI SAN", nil),
		spoilt("expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }, payID),
		spoilt("not yet valid", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, payID),
		spoilt("for servers only", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, payID),
		spoilt("a CA", func(c *x509.Certificate) { c.IsCA = true }, payID),
	}
}

// TestWhatMeetsWhat is the table of docs/compatibility.md on real sockets.
func TestWhatMeetsWhat(t *testing.T) {
	w := newWorld(t, nil)
	port := w.app.address.Port()
	for _, c := range clients() {
		for _, cell := range []struct {
			mode proxyconfig.Mode
			http bool
			want string
		}{
			{proxyconfig.Strict, false, c.strict}, {proxyconfig.Strict, true, c.strictHTTP},
			{proxyconfig.Permissive, false, c.permissive}, {proxyconfig.Permissive, true, c.permissiveHTTP},
			{proxyconfig.Disable, false, c.disable}, {proxyconfig.Disable, true, c.disableHTTP},
		} {
			w.set(func(config *proxyconfig.Config) {
				config.Inbound.Default.Mode, config.Inbound.HTTPPorts = cell.mode, nil
				if cell.http {
					config.Inbound.HTTPPorts = []uint16{port}
				}
			})
			if got := w.begin(c); got != cell.want {
				t.Errorf("%s, %s, HTTP %t: got %q, want %q", c.name, cell.mode, cell.http, got, cell.want)
			}
		}
	}
}

// begin connects as the client, asks, and closes.
func (w *world) begin(c client) string {
	w.t.Helper()
	raw := w.dial(w.inbound)
	defer raw.Close()
	if c.config == nil {
		return ask(raw)
	}
	conn := tls.Client(raw, c.config(w))
	if err := conn.Handshake(); err != nil {
		return failure(err)
	}
	return ask(conn)
}
