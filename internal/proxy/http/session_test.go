package http

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

const plainGet = "GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n"

func TestRecheckEndsWhatIsNoLongerAllowed(t *testing.T) {
	r := newRig(t)
	r.send(plainGet)
	app := r.accept()
	expect(t, app, plainGet)
	r.change(denyAll)
	expectEnd(t, r.client)
	expectEnd(t, app)
	if e := r.entry(); e.Verdict != telemetry.Revoked || e.Reason != string(authz.ReasonNoAllowMatched) {
		t.Errorf("entry %+v", e)
	}
}

// A change of policy between decision and dial must not be lost.
func TestPolicyChangesWhileDeciding(t *testing.T) {
	r := newRig(t)
	calls := 0
	r.policy = func(q authz.Request) authz.Decision {
		if calls++; calls == 1 {
			r.session.generation.Add(1) // as Recheck does, which found nothing to look at
			return allowAll(q)
		}
		return denyAll(q)
	}
	r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
	expect(t, r.client, ownAnswer("403 Forbidden", deniedText, "r", false))
}

func TestRecheckReadsHeaders(t *testing.T) {
	reads := false
	r := newRig(t, func(r *rig, o *Options, _ *Connection) {
		o.ReadsHeaders = func() bool { return reads }
	})
	r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Team: blue\r\nx-team: red\r\nX-Request-Id: r\r\n\r\n")
	expect(t, r.accept(), "GET / HTTP/1.1\r\nHost: shop\r\nX-Team: blue\r\nx-team: red\r\nX-Request-Id: r\r\n\r\n")
	r.mu.Lock()
	if got := r.asked[0].Header; got != nil {
		t.Errorf("a map of headers was made for a policy that reads none: %v", got)
	}
	reads = true
	r.mu.Unlock()
	r.change(func(q authz.Request) authz.Decision {
		if team := q.HTTP.Header["X-Team"]; len(team) == 2 && team[0] == "blue" && team[1] == "red" {
			return denyAll(q)
		}
		return allowAll(q)
	})
	expectEnd(t, r.client)
}

func TestDrainIdle(t *testing.T) {
	for name, sent := range map[string]bool{"before the first request": false, "between requests": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if sent {
				app := r.script(ok)
				r.send(plainGet)
				expect(t, r.client, ok)
				defer app()
			}
			r.session.Drain()
			expectEnd(t, r.client)
			r.wait()
		})
	}
}

func TestDrainUnderWay(t *testing.T) {
	r := newRig(t)
	r.send(plainGet)
	app := r.accept()
	expect(t, app, plainGet)
	r.session.Drain()
	r.session.Drain()
	_, _ = io.WriteString(app, ok)
	expect(t, r.client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	expectEnd(t, r.client)
	if e := r.entry(); e.Verdict != telemetry.Allowed {
		t.Errorf("entry %+v", e)
	}
}

// A drain that begins when the answer's head is out cannot announce itself, and still ends the connection.
func TestDrainDuringAnswer(t *testing.T) {
	r := newRig(t)
	r.send(plainGet)
	app := r.accept()
	expect(t, app, plainGet)
	_, _ = io.WriteString(app, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
	expect(t, r.client, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
	r.session.Drain()
	_, _ = io.WriteString(app, "k")
	expect(t, r.client, "k")
	expectEnd(t, r.client)
}

func TestDrainBeforeServe(t *testing.T) {
	client, server := tcpPair(t)
	s := NewServer(Options{Identity: shop, Decide: allowAll}).Open(Connection{Conn: server})
	s.Drain()
	s.Recheck()
	if err := s.Serve(context.Background()); err != nil {
		t.Error(err)
	}
	expectEnd(t, client)
}

func TestContextEndsAll(t *testing.T) {
	r := newRig(t)
	r.send(plainGet)
	app := r.accept()
	expect(t, app, plainGet)
	r.stop()
	expectEnd(t, r.client)
	expectEnd(t, app)
	r.wait()
}

// expiring is a connection whose certificates end soon.
func expiring(in time.Duration) rigOption {
	return func(_ *rig, _ *Options, c *Connection) { c.Expires = time.Now().Add(in) }
}

func TestExpiryDrains(t *testing.T) {
	r := newRig(t, expiring(500*time.Millisecond))
	_ = r.client.SetReadDeadline(time.Now().Add(patience))
	if rest, err := io.ReadAll(r.client); err != nil || len(rest) > 0 {
		t.Errorf("read %q, %v: want an end in good order, before the certificate's", rest, err)
	}
	r.wait()
}

func TestExpiryEnds(t *testing.T) {
	r := newRig(t, expiring(time.Second))
	r.send(plainGet)
	app := r.accept()
	expect(t, app, plainGet)
	expectEnd(t, r.client)
	expectEnd(t, app)
}

func TestEntry(t *testing.T) {
	r := newRig(t, func(_ *rig, _ *Options, c *Connection) { c.SNI, c.TLSVersion = "shop.example", "TLS1.3" })
	app := r.script(ok)
	r.send(plainGet)
	expect(t, r.client, ok)
	from := r.client.LocalAddr().(*net.TCPAddr).AddrPort().Port()
	r.finish()
	app()
	e := r.entry()
	if e.Start.IsZero() || e.Duration <= 0 || e.Source.String() != fmt.Sprint("10.0.0.7:", from) || e.Destination != r.session.Destination {
		t.Errorf("entry %+v", e)
	}
	e.Start, e.Duration, e.Source, e.Destination = time.Time{}, 0, r.session.Destination, r.session.Destination
	want := telemetry.Entry{Direction: telemetry.Inbound, Protocol: "http/1.1", Source: e.Source, Destination: e.Source, DestinationIdentity: shop,
		TLSVersion: "TLS1.3", Verdict: telemetry.Allowed, Reason: string(authz.ReasonNoPolicy), Rule: authz.NoRule,
		Sent: int64(len(ok)), Received: int64(len(plainGet)), Method: "GET", Host: "shop", Path: "/", Status: 200, RequestID: "r"}
	if diff := cmp.Diff(want, e, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}
