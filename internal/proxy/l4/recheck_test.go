package l4

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/ca"
)

// wantCut checks that an open connection is reset, and within the second that is promised.
func (w *world) wantCut(conn net.Conn, since time.Time, reason, detail string) {
	w.t.Helper()
	if _, err := conn.Read(make([]byte, 1)); err == nil || failure(err) != "reset" {
		w.t.Errorf("the client saw %v", err)
	}
	if took := time.Since(since); took > time.Second {
		w.t.Logf("it took %s", took) // other work on the machine is no reason to fail
	}
	w.wantEntry(telemetry.Revoked, reason, detail)
}

// opened is an open connection on which a line went to and fro.
func (w *world) opened(conn net.Conn) net.Conn {
	w.t.Helper()
	if got := ask(conn); got != served {
		w.t.Fatalf("answer %q", got)
	}
	return conn
}

// TestRecheckInbound: every change that would keep a client out cuts its open connection, and leaves the others.
func TestRecheckInbound(t *testing.T) {
	plain := func(w *world) net.Conn {
		w.mode(proxyconfig.Permissive)
		return w.opened(w.dial(w.inbound))
	}
	mesh := func(w *world) net.Conn { return w.opened(w.meet(payID)) }
	tests := []struct {
		name           string
		open           func(*world) net.Conn
		change         func(*world)
		reason, detail string
	}{
		{"a policy denies the identity", mesh, func(w *world) {
			w.set(func(c *proxyconfig.Config) { c.Inbound.Policies = denyPrincipal(payID) })
		}, string(authz.ReasonDenied), "it was allowed when it began"},
		{"the port becomes STRICT", plain, func(w *world) { w.mode(proxyconfig.Strict) }, string(ReasonModeChanged), "STRICT now"},
		{"the port becomes DISABLE", mesh, func(w *world) { w.mode(proxyconfig.Disable) }, string(ReasonModeChanged), "DISABLE now"},
		{"the port becomes HTTP", mesh, func(w *world) {
			w.set(func(c *proxyconfig.Config) { c.Inbound.HTTPPorts = []uint16{w.app.address.Port()} })
		}, string(ReasonModeChanged), "carries HTTP"},
		{"the trust domain is not accepted any more", mesh, func(w *world) {
			w.set(func(c *proxyconfig.Config) { c.TrustDomains = []string{"other.example"} })
		}, string(ReasonTrustChanged), "accepted: other.example"},
		{"the root is not trusted any more", mesh, func(w *world) {
			w.source.Trust(ca.Bundle(w.t, ca.New(w.t)))
			w.workload.Recheck()
		}, string(ReasonTrustChanged), "unknown authority"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, nil)
			conn := test.open(w)
			since := time.Now()
			test.change(w)
			w.wantCut(conn, since, test.reason, test.detail)
		})
	}
}

// TestRecheckSpares: what is still allowed stays open, whatever else changes, and also while the trust bundle cannot be read.
func TestRecheckSpares(t *testing.T) {
	w := newWorld(t, nil)
	other := "spiffe://cluster.local/ns/shop/sa/other"
	spared, cut := w.opened(w.meet(payID)), w.opened(w.meet(other))
	w.set(func(c *proxyconfig.Config) { c.Inbound.Policies = denyPrincipal(other) })
	w.wantCut(cut, time.Now(), string(authz.ReasonDenied), "")
	w.source.Trust(ca.Bundle(t, ca.New(t), w.ca))
	w.workload.Recheck()
	w.source.Fail(errors.New("unreadable"))
	w.workload.Recheck()
	w.mode(proxyconfig.Permissive)
	w.opened(spared)
}

// TestChangeDuringHandshake: a change between the decision and the registration is not lost.
func TestChangeDuringHandshake(t *testing.T) {
	w := newWorld(t, func(w *world, o *Options) {
		dial := o.Dial
		o.Dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			w.set(func(c *proxyconfig.Config) { c.Inbound.Policies = denyPrincipal(payID) })
			return dial(ctx, to)
		}
	})
	conn := w.meet(payID)
	w.wantCut(conn, time.Now(), string(authz.ReasonDenied), "")
}

// TestRecheckHTTP: a session is asked to recheck; one whose peer is not trusted any more ends.
func TestRecheckHTTP(t *testing.T) {
	w := newWorld(t, nil)
	w.set(func(c *proxyconfig.Config) { c.Inbound.HTTPPorts = []uint16{w.app.address.Port()} })
	conn := w.meet(payID)
	if got := ask(conn); got != asPay {
		t.Fatalf("answer %q", got)
	}
	s := <-w.sessions
	if s.Certificate == nil || s.Expires.IsZero() || s.TLSVersion != "TLS1.3" || s.Destination != w.app.address || !s.Peer.MTLS {
		t.Errorf("session %+v", s.Connection)
	}
	before := s.rechecked.Load()
	w.set(func(c *proxyconfig.Config) { c.Inbound.Policies = denyPrincipal(payID) })
	if s.rechecked.Load() <= before {
		t.Error("the session was not asked")
	}
	if got := ask(conn); got != asPay {
		t.Fatalf("answer %q", got)
	}
	w.source.Trust(ca.Bundle(t, ca.New(t)))
	w.workload.Recheck()
	w.wantCut(conn, time.Now(), string(ReasonTrustChanged), "unknown authority")
}

// TestExpiry: a connection ends before the certificate does with which it was opened, be it the peer's or our own.
func TestExpiry(t *testing.T) {
	for name, set := range map[string]func(w *world, soon *x509.Certificate){
		"peer": func(*world, *x509.Certificate) {},
		"own": func(w *world, soon *x509.Certificate) {
			own := w.ca.Source(w.t, soon)
			m, _ := own.Material()
			w.source.Use(m)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			brief := ca.Template(cartID)
			brief.NotAfter = time.Now().Add(3 * time.Second)
			set(w, brief)
			template := ca.Template(payID)
			if name == "peer" {
				template.NotAfter = brief.NotAfter
			}
			client := mtls.ClientConfig(w.ca.Source(t, template), mtls.Verifier{Accept: mtls.OneOf(parseID(t, cartID))})
			conn := tls.Client(w.dial(w.inbound), client)
			w.opened(conn)
			if _, err := conn.Read(make([]byte, 1)); err == nil || failure(err) != "reset" {
				t.Errorf("the client saw %v", err)
			}
			if e := w.wantEntry(telemetry.Revoked, string(ReasonExpiring), "connect again"); !e.Start.Add(e.Duration).Before(brief.NotAfter) {
				t.Errorf("it ended at %s, the certificate at %s", e.Start.Add(e.Duration), brief.NotAfter)
			}
		})
	}
}

func TestExpiryLead(t *testing.T) {
	for _, left := range []time.Duration{-time.Second, 0, time.Nanosecond, time.Second, time.Hour} {
		if lead := expiryLead(left); lead < 0 || lead > max(0, left) || lead > mostExpiryLead {
			t.Errorf("lead %s of %s", lead, left)
		}
	}
	if lead := expiryLead(24 * time.Hour); lead < mostExpiryLead/2 {
		t.Errorf("lead of a day: %s", lead)
	}
}

// TestShutdown: nothing is accepted any more, sessions drain, connections may finish, and at the end of the time are cut.
func TestShutdown(t *testing.T) {
	w := newWorld(t, nil)
	finishing, staying := w.opened(w.meet(payID)), w.opened(w.meet(payID))
	w.set(func(c *proxyconfig.Config) { c.Inbound.Default.Mode = proxyconfig.Permissive })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.workload.Shutdown(ctx) }()
	waitFor(t, "the listener is closed", func() bool {
		conn, err := net.Dial("tcp", w.inbound.String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	w.opened(finishing)
	finishing.Close()
	waitFor(t, "one is left", func() bool { return w.workload.Open() == 1 })
	select {
	case err := <-ended:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("nothing is said of the connection that was cut")
	}
	if _, err := bufio.NewReader(staying).ReadByte(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the client saw %v", err)
	}
	w.wantShutdown()
	if err := w.workload.Shutdown(context.Background()); err != nil {
		t.Errorf("again: %v", err)
	}
}

// wantShutdown looks for the connection that was cut among what was recorded.
func (w *world) wantShutdown() {
	w.t.Helper()
	for {
		if e := w.entry(); e.Reason == string(ReasonShutdown) {
			return
		}
	}
}

// TestShutdownDrains: sessions are told, and nothing is cut where all end by themselves.
func TestShutdownDrains(t *testing.T) {
	w := newWorld(t, nil)
	w.set(func(c *proxyconfig.Config) { c.Inbound.HTTPPorts = []uint16{w.app.address.Port()} })
	if got := ask(w.meet(payID)); got != asPay {
		t.Fatalf("answer %q", got)
	}
	if err := w.workload.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if s := <-w.sessions; s.drained.Load() == 0 {
		t.Error("the session was not told to drain")
	}
}
