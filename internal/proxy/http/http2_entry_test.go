package http

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	nethttp "net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// TestHTTP2Entries: every request is told to telemetry once, with how it ended.
func TestHTTP2Entries(t *testing.T) {
	b := newH2Bed(t, h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(w, r.Body)
		if r.URL.Path == "/open" {
			_ = nethttp.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	deny := func(paths ...string) func(authz.Request) authz.Decision {
		return func(q authz.Request) authz.Decision {
			if slices.Contains(paths, q.HTTP.Path) {
				return authz.Decision{Reason: authz.ReasonDenied, Rule: 3}
			}
			return authz.Decision{Allowed: true, Reason: authz.ReasonAllowed, Rule: 1}
		}
	}
	b.policy(deny("/denied"))
	r := b.dialRaw().greet()
	r.headers(1, false, ":method", "POST", ":scheme", "http", ":authority", "app", ":path", "/body")
	_ = r.frames.WriteData(1, true, []byte("hello"))
	r.outcome(1)
	r.get(3, "/denied")
	r.outcome(3)
	r.get(5, "bad")
	bad := r.outcome(5)
	r.get(7, "/open")
	r.nextRequest()
	b.policy(deny("/denied", "/open"))
	b.each((*Session).Recheck)
	r.outcome(7)
	b.policy(deny())
	r.get(9, "/open")
	r.nextRequest()
	_ = r.frames.WriteRSTStream(9, http2.ErrCodeCancel)
	b.awaitOpen(0)
	type brief struct {
		Path, Protocol, Reason string
		Verdict                telemetry.Verdict
		Status, Rule           int
		Received, Sent         int64
	}
	want := []brief{
		{"/body", "h2", string(authz.ReasonAllowed), telemetry.Allowed, 200, 1, 5, 5},
		{"/denied", "h2", string(authz.ReasonDenied), telemetry.Denied, 403, 3, 0, int64(len(deniedText))},
		{"", "h2", string(ReasonBadRequest), telemetry.Refused, 400, authz.NoRule, 0, int64(len(bad.body))},
		{"/open", "h2", string(authz.ReasonDenied), telemetry.Revoked, 200, 3, 0, 0},
		{"/open", "h2", string(ReasonClientBrokeOff), telemetry.Failed, 200, 1, 0, 0},
	}
	var got []brief
	for begun := time.Now(); len(got) < len(want) && time.Since(begun) < patience; time.Sleep(time.Millisecond) {
		got = nil
		b.mu.Lock()
		for _, e := range b.entries {
			got = append(got, brief{e.Path, e.Protocol, e.Reason, e.Verdict, e.Status, e.Rule, e.Received, e.Sent})
		}
		b.mu.Unlock()
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestHTTP2OverTLS: a peer that has proven its identity is announced to the application, and what it says itself is not.
func TestHTTP2OverTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"app"}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	b := newH2Bed(t, h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.WriteString(w, strings.Join(r.Header["X-Forwarded-Client-Cert"], "|"))
	}))
	client, server := tcpPair(t)
	defer client.Close()
	session := b.server.Open(Connection{
		Conn: tls.Server(server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}),
		Peer: authz.Peer{MTLS: true, Identity: frontend, Address: netip.MustParseAddr("10.0.0.7")}, Certificate: leaf,
	})
	served := make(chan error, 1)
	go func() { served <- session.Serve(t.Context()) }()
	r := newH2Raw(t, tls.Client(client, &tls.Config{InsecureSkipVerify: true}))
	_ = client.SetDeadline(time.Now().Add(time.Minute))
	r.greet()
	for id := uint32(1); id < 7; id += 2 { // also when it is in the table
		r.get(id, "/", "x-forwarded-client-cert", "By=evil;URI=spiffe://evil")
		want := forwardedCert(b.server.options.Identity, &session.Connection)
		if out := r.outcome(id); out.body != want || !strings.Contains(want, "URI="+frontend) {
			t.Errorf("the application got %q, want %q", out.body, want)
		}
	}
	session.Drain()
	if out := r.outcome(0); out.ended != "closed" {
		t.Errorf("after drain: %+v", out)
	}
	_ = client.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
