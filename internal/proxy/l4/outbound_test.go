package l4

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/ca"
)

// service is what the tests dial: an address at which nobody listens, so that only an endpoint can have answered.
var service = netip.MustParseAddrPort("127.0.0.99:80")

func disable() proxyconfig.ClientTLS {
	return proxyconfig.ClientTLS{Mode: proxyconfig.ClientDisable, Auto: true}
}

func istioMutual(ids ...string) proxyconfig.ClientTLS {
	return proxyconfig.ClientTLS{Mode: proxyconfig.ClientIstioMutual, SNI: "pay.shop.svc.cluster.local", Identities: ids}
}

// answer has one endpoint for each address, and one way to begin.
func answer(choice proxyconfig.ClientTLS, endpoints ...netip.AddrPort) proxyconfig.Address {
	a := proxyconfig.Address{Address: service, Known: true, Service: "shop/pay", TLS: []proxyconfig.ClientTLS{choice}}
	for _, e := range endpoints {
		a.Endpoints = append(a.Endpoints, proxyconfig.Endpoint{Address: e})
	}
	return a
}

// peer is the proxy of another workload: it answers lines with what it learned of the client.
func (w *world) peer(id string) netip.AddrPort {
	w.t.Helper()
	source := w.ca.Source(w.t, ca.Template(id))
	config := mtls.ProxyServerConfig(source, mtls.Verifier{Accept: mtls.Member("cluster.local")})
	return w.listenTLS(config)
}

// listenTLS answers lines with the client's SNI and ALPN.
func (w *world) listenTLS(config *tls.Config) netip.AddrPort {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			w.t.Cleanup(func() { raw.Close() })
			go func() {
				conn := tls.Server(raw, config)
				defer conn.Close()
				if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
					state := conn.ConnectionState()
					fmt.Fprintf(conn, "%s %s %s", state.ServerName, state.NegotiatedProtocol, line)
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
	w.t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// out is a world whose workload dials service next.
func out(t *testing.T, change func(*world, *Options)) *world {
	w := newWorld(t, change)
	w.goTo(service)
	return w
}

// TestOutbound: where a connection goes, how it begins, and what is recorded.
func TestOutbound(t *testing.T) {
	w := out(t, nil)
	pay := w.peer(payID)
	closed := netip.MustParseAddrPort("127.0.0.1:1")
	v6 := netip.MustParseAddrPort("[::1]:80")
	const meshAnswer = "pay.shop.svc.cluster.local warifu/1 ping"
	tests := []struct {
		name           string
		answer         proxyconfig.Address
		want           string
		verdict        telemetry.Verdict
		reason         Reason
		detail, server string
	}{
		{"plaintext", answer(disable(), w.app.address), served, telemetry.Allowed, ReasonConnected, "", ""},
		{"mutual TLS", answer(istioMutual(payID), pay), meshAnswer, telemetry.Allowed, ReasonConnected, "", payID},
		{"mutual TLS, one of two identities", answer(istioMutual(cartID, payID), pay), meshAnswer, telemetry.Allowed, ReasonConnected, "", payID},
		{"another identity", answer(istioMutual(cartID), pay), "reset", telemetry.Refused, ReasonPeerNotAccepted,
			"peer presented " + payID + ", expected one of " + cartID, ""},
		{"nobody expected", answer(istioMutual(), pay), "reset", telemetry.Refused, ReasonNoExpectedIdentities, "does it have a proxy?", ""},
		{"plaintext where TLS is due", answer(istioMutual(payID), w.app.address), "reset", telemetry.Refused, ReasonPeerNotAccepted, "0 URI SANs", ""},
		{"no endpoints", answer(disable()), "reset", telemetry.Refused, ReasonNoEndpoints, "Service shop/pay (127.0.0.99:80)", ""},
		{"endpoints of the other family", answer(disable(), v6), "reset", telemetry.Refused, ReasonNoEndpoints, "", ""},
		{"nobody listens", answer(disable(), closed), "reset", telemetry.Failed, ReasonEndpointUnreachable, "127.0.0.1:1", ""},
		{"the second works", answer(disable(), closed, w.app.address), served, telemetry.Allowed, ReasonConnected, "", ""},
		{"no way to begin", proxyconfig.Address{Address: service, Known: true, Endpoints: []proxyconfig.Endpoint{{Address: pay, TLS: 1}}}, "reset",
			telemetry.Failed, ReasonEndpointUnreachable, "does not say how to begin", ""},
		{"an unknown mode", answer(proxyconfig.ClientTLS{Mode: "NEW"}, pay), "reset", telemetry.Refused, ReasonTLSUnusable, `"NEW"`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w.lookup.set(test.answer, nil)
			if got := w.askAt(w.outbound); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			e := w.entry()
			if e.Verdict != test.verdict || e.Reason != string(test.reason) || !strings.Contains(e.Detail, test.detail) ||
				e.DestinationIdentity != test.server || e.SourceIdentity != cartID || e.Service != "shop/pay" && test.answer.Service != "" {
				t.Errorf("recorded %+v", e)
			}
		})
	}
}

// TestUnknownAddresses: "nobody in the cluster" passes through untouched; "nobody could be asked" does so only outside of the
// cluster's ranges.
func TestUnknownAddresses(t *testing.T) {
	w := out(t, nil)
	w.goTo(w.app.address)
	if got := w.askAt(w.outbound); got != served {
		t.Errorf("unknown: %q", got)
	}
	w.wantEntry(telemetry.Allowed, string(ReasonPassedThrough), "")

	w.lookup.set(proxyconfig.Address{}, errors.New("no replica answers"))
	if got := w.askAt(w.outbound); got != served {
		t.Errorf("nobody to ask, outside of the ranges: %q", got)
	}
	w.wantEntry(telemetry.Allowed, string(ReasonPassedThrough), "")

	w.set(func(c *proxyconfig.Config) {
		c.Outbound.ClusterRanges = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	if got := w.askAt(w.outbound); got != "reset" {
		t.Errorf("nobody to ask, within the ranges: %q", got)
	}
	w.wantEntry(telemetry.Refused, string(ReasonControlUnavailable), "no replica answers; is the control plane running?")

	w.lookup.set(proxyconfig.Address{}, nil)
	w.goTo(netip.MustParseAddrPort("127.0.0.1:1"))
	if got := w.askAt(w.outbound); got != "reset" {
		t.Errorf("nobody listens: %q", got)
	}
	w.wantEntry(telemetry.Failed, string(ReasonEndpointUnreachable), "refused")
}

// TestUsersTLS: SIMPLE and MUTUAL use the configuration that the files make, and fail with them.
func TestUsersTLS(t *testing.T) {
	certificate := ca.New(t).Sign(t, ca.Template())
	var problem atomic.Pointer[string]
	w := out(t, func(_ *world, o *Options) {
		o.ClientTLS = func(_ context.Context, c proxyconfig.ClientTLS) (*tls.Config, error) {
			if p := problem.Load(); p != nil {
				return nil, errors.New(*p)
			}
			return &tls.Config{InsecureSkipVerify: true, ServerName: c.SNI}, nil
		}
	})
	server := w.listenTLS(&tls.Config{Certificates: []tls.Certificate{*certificate}})
	w.lookup.set(answer(proxyconfig.ClientTLS{Mode: proxyconfig.ClientSimple, SNI: "db.example"}, server), nil)
	if got := w.askAt(w.outbound); got != "db.example  ping" {
		t.Errorf("got %q", got)
	}
	if e := w.wantEntry(telemetry.Allowed, string(ReasonConnected), ""); e.TLSVersion != "TLS1.3" {
		t.Errorf("recorded %+v", e)
	}
	missing := "ca.crt is missing"
	problem.Store(&missing)
	if got := w.askAt(w.outbound); got != "reset" {
		t.Errorf("got %q", got)
	}
	w.wantEntry(telemetry.Refused, string(ReasonTLSUnusable), "ca.crt is missing")
}

// TestRecheckOutbound: an open connection is cut when it would begin in another way now, and stays when nobody can be asked
// or the endpoint has merely gone.
func TestRecheckOutbound(t *testing.T) {
	w := out(t, nil)
	pay := w.peer(payID)
	other := istioMutual(payID)
	other.SNI = "pay.example"
	simple := proxyconfig.ClientTLS{Mode: proxyconfig.ClientSimple}
	tests := []struct {
		name          string
		before, after proxyconfig.Address
		detail        string // empty: it stays
	}{
		{"the endpoint wants mutual TLS now", answer(disable(), w.app.address), answer(istioMutual(payID), w.app.address), "began with mode DISABLE, and ISTIO_MUTUAL"},
		{"a DestinationRule turns TLS off", answer(istioMutual(payID), pay), answer(disable(), pay), "began with mode ISTIO_MUTUAL, and DISABLE"},
		{"another identity is expected", answer(istioMutual(payID), pay), answer(istioMutual(cartID), pay), payID + ", which is not expected any more"},
		{"the address became one with TLS", proxyconfig.Address{Address: w.app.address}, func() proxyconfig.Address {
			a := answer(simple, w.app.address)
			a.Address = w.app.address
			return a
		}(), "which is reached with TLS"},
		{"the SNI changes", answer(istioMutual(payID), pay), answer(other, pay), ""},
		{"the endpoint is gone", answer(disable(), w.app.address), answer(istioMutual(payID), pay), ""},
		{"the Service is gone", answer(disable(), w.app.address), proxyconfig.Address{Address: service}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w.goTo(test.before.Address)
			w.lookup.set(test.before, nil)
			conn := w.dial(w.outbound)
			first := ask(conn)
			w.lookup.set(test.after, errors.New("unavailable"))
			w.workload.Recheck()
			w.lookup.set(test.after, nil)
			since := time.Now()
			w.workload.Recheck()
			if test.detail != "" {
				w.wantCut(conn, since, string(ReasonDestinationChanged), test.detail)
				return
			}
			if got := w.workload.Open(); got != 1 {
				t.Errorf("%d connections are open after %q", got, first)
			}
			conn.Close()
			w.wantEntry(telemetry.Allowed, w.passedOr(test.before), "")
		})
	}
}

func (w *world) passedOr(a proxyconfig.Address) string {
	if a.Known {
		return string(ReasonConnected)
	}
	return string(ReasonPassedThrough)
}

// TestRecheckOutboundTrust: the root of the server's certificate is not trusted any more.
func TestRecheckOutboundTrust(t *testing.T) {
	w := out(t, nil)
	w.lookup.set(answer(istioMutual(payID), w.peer(payID)), nil)
	conn := w.dial(w.outbound)
	ask(conn)
	w.source.Trust(ca.Bundle(t, ca.New(t)))
	since := time.Now()
	w.workload.Recheck()
	w.wantCut(conn, since, string(ReasonTrustChanged), "unknown authority")
}

// TestSameTLS: every field that SIMPLE and MUTUAL begin with makes a difference.
func TestSameTLS(t *testing.T) {
	base := proxyconfig.ClientTLS{Mode: proxyconfig.ClientSimple}
	for _, change := range []func(*proxyconfig.ClientTLS){
		func(c *proxyconfig.ClientTLS) { c.SNI = "x" },
		func(c *proxyconfig.ClientTLS) { c.SubjectAltNames = []string{"x"} },
		func(c *proxyconfig.ClientTLS) { c.InsecureSkipVerify = true },
		func(c *proxyconfig.ClientTLS) { c.CredentialName = "x" },
		func(c *proxyconfig.ClientTLS) { c.ClientCertificate = "x" },
		func(c *proxyconfig.ClientTLS) { c.PrivateKey = "x" },
		func(c *proxyconfig.ClientTLS) { c.CACertificates = "x" },
		func(c *proxyconfig.ClientTLS) { c.CACRL = "x" },
	} {
		now := base
		change(&now)
		d := &departure{choice: &base}
		if d.compare(&now) == nil {
			t.Errorf("%+v goes on", now)
		}
	}
	if d := (&departure{choice: &base}); d.compare(&base) != nil {
		t.Error("the same does not go on")
	}
}
