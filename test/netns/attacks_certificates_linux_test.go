package netns

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/ca"
)

func (a *arena) id(account string) string {
	return "spiffe://cluster.local/ns/" + a.namespace + "/sa/" + account
}

// genuine is a certificate as the operator would sign it.
func (a *arena) genuine(t *testing.T, id string) *tls.Certificate {
	t.Helper()
	return a.authority.Sign(t, ca.Template(id))
}

// spoilt are certificates that prove nothing to who wants an account to prove itself with the usage. Most are signed by the mesh's own CA.
func (a *arena) spoilt(t *testing.T, account string, usage x509.ExtKeyUsage) map[string]*tls.Certificate {
	t.Helper()
	id := a.id(account)
	other := map[x509.ExtKeyUsage]x509.ExtKeyUsage{
		x509.ExtKeyUsageClientAuth: x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageServerAuth: x509.ExtKeyUsageClientAuth,
	}[usage]
	certificates := map[string]*tls.Certificate{}
	for name, names := range map[string][]string{
		"another trust domain": {"spiffe://other.example/ns/" + a.namespace + "/sa/" + account},
		"two names":            {id, a.id("guest")},
		"the same name twice":  {id, id},
		"no name":              {},
		"an escape":            {"spiffe://cluster.local/ns/" + a.namespace + "/sa/%" + fmt.Sprintf("%x", account[0]) + account[1:]},
		"upper case":           {"spiffe://Cluster.Local/ns/" + a.namespace + "/sa/" + account},
		"a slash at the end":   {id + "/"},
		"two slashes":          {"spiffe://cluster.local//ns/" + a.namespace + "/sa/" + account},
		"dots":                 {"spiffe://cluster.local/ns/x/../" + a.namespace + "/sa/" + account},
		"a port":               {"spiffe://cluster.local:443/ns/" + a.namespace + "/sa/" + account},
		"a user":               {"spiffe://x@cluster.local/ns/" + a.namespace + "/sa/" + account},
		"a query":              {id + "?x"},
		"a fragment":           {id + "#x"},
	} {
		certificates[name] = a.authority.Sign(t, ca.Template(names...))
	}
	for name, spoil := range map[string]func(*x509.Certificate){
		"names of other types": func(c *x509.Certificate) {
			c.URIs, c.DNSNames, c.EmailAddresses = nil, []string{account}, []string{account + "@cluster.local"}
		},
		"expired":         func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) },
		"not yet valid":   func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) },
		"the other usage": func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{other} },
		"no usage":        func(c *x509.Certificate) { c.ExtKeyUsage = nil },
		"any usage":       func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} },
		"a CA":            func(c *x509.Certificate) { c.IsCA = true },
		"a signer":        func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign },
	} {
		template := ca.Template(id)
		spoil(template)
		certificates[name] = a.authority.Sign(t, template)
	}
	certificates["another CA"] = ca.New(t).Sign(t, ca.Template(id))
	certificates["another CA, and the mesh's in the chain"] = ca.New(t).Sign(t, ca.Template(id))
	chained := certificates["another CA, and the mesh's in the chain"]
	chained.Certificate = append(chained.Certificate, a.authority.Signer.Raw)
	stolen := *a.genuine(t, id)
	stolen.PrivateKey = certificates["another CA"].PrivateKey
	certificates["somebody else's key"] = &stolen
	return certificates
}

// shows is a client that shows a certificate, nil for none, and believes any server.
func shows(certificate *tls.Certificate, alpn ...string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, NextProtos: alpn,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if certificate == nil {
				return &tls.Certificate{}, nil
			}
			return certificate, nil
		},
	}
}

// present does TLS with a port of the server from the pod without a proxy, and says something. Nil: it was answered.
func (a *arena) present(t *testing.T, port uint16, config *tls.Config, through func(net.Conn) net.Conn) error {
	t.Helper()
	conn := net.Conn(a.call(t, a.stranger, port))
	defer conn.Close()
	if through != nil {
		conn = through(conn)
	}
	secure := tls.Client(conn, config)
	switch port {
	case witnessHTTP:
		return get(secure, "/open")
	default:
		return echo(secure, "ping")
	}
}

// get is nil when a path is served.
func get(conn net.Conn, path string) error {
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: payments\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// meshPorts are those on which a client of the mesh has to prove itself: by the mode, by HTTP, or by the ALPN name that it offers.
var meshPorts = []uint16{witnessStrict, witnessHTTP, witnessMembers}

// clientsCertificates: whoever does not prove an identity gets no byte through.
func (a *arena) clientsCertificates(t *testing.T) {
	a.witness.take()
	for _, port := range meshPorts {
		for name, certificate := range a.spoilt(t, "orders", x509.ExtKeyUsageClientAuth) {
			if err := a.present(t, port, shows(certificate, naming.ALPN), nil); err == nil {
				t.Errorf("port %d takes a certificate with %s", port, name)
			}
		}
		if err := a.present(t, port, shows(nil, naming.ALPN), nil); err == nil {
			t.Errorf("port %d takes nobody's", port)
		}
		old := shows(a.genuine(t, a.id("orders")), naming.ALPN)
		old.MaxVersion = tls.VersionTLS12
		if err := a.present(t, port, old, nil); err == nil {
			t.Errorf("port %d speaks TLS 1.2", port)
		}
		if heard := a.witness.take(); heard != "" {
			t.Errorf("port %d: the application hears %q", port, heard)
		}
		if err := a.present(t, port, shows(a.genuine(t, a.id("orders")), naming.ALPN), nil); err != nil {
			t.Errorf("port %d does not take a genuine certificate: %v", port, err)
		}
		a.witness.take()
	}
}

// tickets counts what a client could resume with.
type tickets struct{ count int }

// Get implements tls.ClientSessionCache.
func (*tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put implements tls.ClientSessionCache.
func (k *tickets) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		k.count++
	}
}

// resumption: there is nothing to resume, so that every connection is judged by the trust and the policies of its own time.
func (a *arena) resumption(t *testing.T) {
	for _, port := range meshPorts {
		kept := &tickets{}
		config := shows(a.genuine(t, a.id("orders")), naming.ALPN)
		config.ClientSessionCache, config.ServerName = kept, "payments"
		if err := a.present(t, port, config, nil); err != nil {
			t.Error(err)
		}
		if kept.count > 0 {
			t.Errorf("port %d gives %d tickets", port, kept.count)
		}
	}
	a.witness.take()
}
