package controlapi

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
)

// TestOnlyMembersConnect: without a certificate of the trust domain, over plaintext or without HTTP/2 nobody comes as far as a
// request.
func TestOnlyMembersConnect(t *testing.T) {
	w, stranger := newWorld(t), newWorld(t)
	r := w.replica()
	server := mtls.Verifier{Accept: mtls.OneOf(idOf(t, rootNS, naming.ServiceAccountOperator))}
	cart := idOf(t, "shop", "cart")
	foreignID, err := identity.New("elsewhere.example", "shop", "cart")
	if err != nil {
		t.Fatal(err)
	}
	// half trusts the server's CA and shows a certificate of another.
	ours, theirs := w.source(cart).(material), stranger.source(cart).(material)
	half := material{&mtls.Material{Certificate: theirs.fixed.Certificate, Bundle: ours.fixed.Bundle}}
	for name, tt := range map[string]struct {
		source mtls.Source
		alpn   []string
		spoil  func(*tls.Config)
	}{
		"no certificate":       {source: w.source(cart), alpn: []string{"h2"}, spoil: func(c *tls.Config) { c.GetClientCertificate = nil }},
		"another CA":           {source: half, alpn: []string{"h2"}},
		"another trust domain": {source: w.source(foreignID), alpn: []string{"h2"}},
		"no HTTP/2":            {source: w.source(cart)},
		"mesh TLS":             {source: w.source(cart), alpn: []string{naming.ALPN}},
		"an older TLS":         {source: w.source(cart), alpn: []string{"h2"}, spoil: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }},
	} {
		t.Run(name, func(t *testing.T) {
			config := mtls.ClientConfig(tt.source, server)
			config.NextProtos = tt.alpn
			if tt.spoil != nil {
				tt.spoil(config)
			}
			conn, err := tls.Dial("tcp", r.addr, config)
			if err != nil {
				return
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(conn); len(got) > 0 {
				t.Errorf("the server says %q, %v", got, err) // SETTINGS, where it has taken the connection
			}
		})
	}
	t.Run("plaintext", func(t *testing.T) {
		conn, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(conn)
		if len(got) > 0 && got[0] != 21 { // an alert at most
			t.Errorf("the server says %q", got)
		}
	})
	if status, _ := w.call(r, cart, "GET", wire.PathStream, "", ""); status != 403 {
		t.Errorf("a member: status %d", status)
	}
}

// TestConnectionsOfOneSource: one source cannot take all places, and gives them back.
func TestConnectionsOfOneSource(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := newHandshakes(listener, &tls.Config{}, logr.Discard())
	t.Cleanup(func() { _ = h.Close() })
	greedy := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}
	var release func()
	for range maxPerAddress {
		ok := false
		if release, ok = h.admit(greedy); !ok {
			t.Fatal("refused below the limit")
		}
	}
	if _, ok := h.admit(greedy); ok {
		t.Error("no limit for one source")
	}
	if _, ok := h.admit(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 1}); !ok {
		t.Error("another source has no place")
	}
	release()
	release() // closing twice gives back once
	if _, ok := h.admit(greedy); !ok {
		t.Error("a place that was given back is not taken")
	}
	if _, ok := h.admit(greedy); ok {
		t.Error("a connection that is closed twice gives two places back")
	}
}
