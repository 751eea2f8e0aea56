package l4

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// denying is a policy that denies what one source or condition matches.
func denying(rule proxyconfig.Rule) []proxyconfig.Policy {
	object := proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "shop", Name: "no"}
	return []proxyconfig.Policy{{Object: object, Action: proxyconfig.Deny, Rules: []proxyconfig.Rule{rule}}}
}

func denyPrincipal(id string) []proxyconfig.Policy {
	return denying(proxyconfig.Rule{From: []proxyconfig.Source{{Principals: []string{strings.TrimPrefix(id, "spiffe://")}}}})
}

func denySNI(name string) []proxyconfig.Policy {
	return denying(proxyconfig.Rule{When: []proxyconfig.Condition{{Key: "connection.sni", Values: []string{name}}}})
}

// TestEntry: what is recorded of a connection that did what it should.
func TestEntry(t *testing.T) {
	w := newWorld(t, nil)
	conn := w.meet(payID)
	if got := ask(conn); got != served {
		t.Fatalf("answer %q", got)
	}
	conn.Close()
	e := w.wantEntry(telemetry.Allowed, string(authz.ReasonNoPolicy), "")
	if e.SourceIdentity != payID || e.DestinationIdentity != cartID || e.TLSVersion != "TLS1.3" || e.Protocol != "tcp" ||
		e.Direction != telemetry.Inbound || e.Destination != w.app.address || e.Source != addressOf(conn.LocalAddr()) ||
		e.Received != int64(len("ping\n")) || e.Sent != int64(len("app ping\n")) || e.Rule != authz.NoRule {
		t.Errorf("recorded %+v", e)
	}
}

// TestRefusalsAreExplained: every way in which a handshake fails has its word, and says what to do.
func TestRefusalsAreExplained(t *testing.T) {
	w := newWorld(t, nil)
	for _, test := range []struct {
		client         client
		reason, detail string
	}{
		{client{}, string(authz.ReasonPlaintextRefused), "does not begin with TLS"},
		{client{config: anonymous("warifu/1")}, string(ReasonNoPeerCertificate), "didn't provide a certificate"},
		{client{config: presenting("warifu/1", nil, "spiffe://other.example/ns/shop/sa/pay")}, string(ReasonPeerNotAccepted),
			"peer presented spiffe://other.example/ns/shop/sa/pay, whose trust domain is not accepted; accepted: cluster.local"},
		{client{config: func(w *world) *tls.Config {
			config := anonymous("warifu/1")(w)
			config.MaxVersion = tls.VersionTLS12
			return config
		}}, string(ReasonHandshakeFailed), "version"},
	} {
		w.begin(test.client)
		w.wantEntry(telemetry.Refused, test.reason, test.detail)
	}
	w.source.Fail(io.ErrUnexpectedEOF)
	w.begin(client{config: presenting("warifu/1", nil, payID)})
	w.wantEntry(telemetry.Refused, string(ReasonNoIdentity), "is the certificate mounted")
}

// TestDeniedAtL4: a policy about identities closes the connection, before the application hears of it.
func TestDeniedAtL4(t *testing.T) {
	w := newWorld(t, nil)
	w.set(func(c *proxyconfig.Config) { c.Inbound.Policies = denyPrincipal(payID) })
	if got := ask(w.meet(payID)); got != "reset" {
		t.Errorf("the client got %q", got)
	}
	e := w.wantEntry(telemetry.Denied, string(authz.ReasonDenied), "")
	if e.DecidedBy == nil || e.DecidedBy.Name != "no" || e.Rule != 0 || w.app.accepted.Load() != 0 {
		t.Errorf("recorded %+v; the application accepted %d", e, w.app.accepted.Load())
	}
}

// TestHTTPIsAskedAboutRequests: what is asked of HTTP cannot be answered when all that there is is a connection, neither when it
// begins nor when policy changes. An ALLOW for a path would refuse everybody.
func TestHTTPIsAskedAboutRequests(t *testing.T) {
	w := newWorld(t, nil)
	allow := func(path string) []proxyconfig.Policy {
		return []proxyconfig.Policy{{Action: proxyconfig.Allow, Rules: []proxyconfig.Rule{{To: []proxyconfig.Operation{{Paths: []string{path}}}}}}}
	}
	w.set(func(c *proxyconfig.Config) {
		c.Inbound.HTTPPorts, c.Inbound.Policies = []uint16{w.app.address.Port()}, allow("/open")
	})
	conn := w.meet(payID)
	if got := ask(conn); got != asPay {
		t.Errorf("the session got %q", got)
	}
	w.set(func(c *proxyconfig.Config) { c.Inbound.Policies = allow("/other") })
	if got := ask(conn); got != asPay {
		t.Errorf("after a change the session got %q", got)
	}
}

// TestServerFirst: on a PERMISSIVE port a client that waits for a greeting gets it, and so does one on a DISABLE port.
func TestServerFirst(t *testing.T) {
	w := newWorld(t, nil)
	greeting := "220 ready\n"
	w.app.greeting.Store(&greeting)
	for _, mode := range []proxyconfig.Mode{proxyconfig.Permissive, proxyconfig.Disable} {
		w.mode(mode)
		w.set(func(c *proxyconfig.Config) {
			c.Inbound.Waits = []proxyconfig.PortWait{{Port: w.app.address.Port(), Milliseconds: 0}}
		})
		conn := w.dial(w.inbound)
		got := make([]byte, len(greeting))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != greeting {
			t.Fatalf("%s: greeting %q, %v", mode, got, err)
		}
		if got := ask(conn); got != served {
			t.Errorf("%s: after the greeting: %q", mode, got)
		}
		conn.Close()
		w.wantEntry(telemetry.Allowed, string(authz.ReasonNoPolicy), "")
	}
}

// silent opens a connection to a PERMISSIVE port and waits until it was taken for plaintext.
func (w *world) silent() *net.TCPConn {
	w.t.Helper()
	before := w.app.accepted.Load()
	conn := w.dial(w.inbound)
	waitFor(w.t, "the application is dialled", func() bool { return w.app.accepted.Load() > before })
	return conn
}

// TestLateHello: mesh TLS that begins after the silence is refused and counted; so are a ClientHello that cannot be read,
// and a name that a policy denies. Other TLS reaches the application.
func TestLateHello(t *testing.T) {
	w := newWorld(t, nil)
	w.mode(proxyconfig.Permissive)
	w.set(func(c *proxyconfig.Config) {
		c.Inbound.Waits = []proxyconfig.PortWait{{Port: w.app.address.Port(), Milliseconds: 1}}
		c.Inbound.Policies = denySNI("secret.example")
	})
	late := func(config *tls.Config) string {
		conn := tls.Client(w.silent(), config)
		if err := conn.Handshake(); err != nil {
			return failure(err)
		}
		defer conn.Close()
		return ask(conn)
	}
	if got := late(w.mesh(payID)); got != "reset" {
		t.Errorf("mesh TLS: %q", got)
	}
	w.wantEntry(telemetry.Refused, string(ReasonLateHello), "let the port wait for longer")
	if got := late(&tls.Config{InsecureSkipVerify: true, ServerName: "secret.example"}); got != "reset" {
		t.Errorf("a denied name: %q", got)
	}
	w.wantEntry(telemetry.Denied, string(authz.ReasonDenied), "")
	if got := late(&tls.Config{InsecureSkipVerify: true, ServerName: "open.example"}); got != servedTLS {
		t.Errorf("other TLS: %q", got)
	}
	if e := w.wantEntry(telemetry.Allowed, string(authz.ReasonNoPolicy), ""); e.Protocol != "tls" {
		t.Errorf("recorded %+v", e)
	}
	conn := w.silent()
	_, _ = conn.Write([]byte("\x16\x03\x01\x00\x00\x00"))
	if _, err := conn.Read(make([]byte, 1)); err == nil || failure(err) != "reset" {
		t.Errorf("unreadable: %v", err)
	}
	w.wantEntry(telemetry.Refused, string(ReasonHelloUnreadable), "empty record")
}

// TestFragmentedHello: however a ClientHello is cut, a policy about the SNI sees the name.
func TestFragmentedHello(t *testing.T) {
	w := newWorld(t, nil)
	w.mode(proxyconfig.Permissive)
	w.set(func(c *proxyconfig.Config) { c.Inbound.Policies = denySNI("secret.example") })
	for name, want := range map[string]string{"secret.example": "reset", "open.example": servedTLS} {
		for _, cut := range []func(net.Conn) net.Conn{
			func(c net.Conn) net.Conn { return &trickling{Conn: c, size: 1} },
			func(c net.Conn) net.Conn { return &rerecording{Conn: c, size: 7} },
		} {
			conn := tls.Client(cut(w.dial(w.inbound)), &tls.Config{InsecureSkipVerify: true, ServerName: name})
			got := ""
			if err := conn.Handshake(); err != nil {
				got = failure(err)
			} else {
				got = ask(conn)
			}
			if got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
			conn.NetConn().Close()
			w.entry()
		}
	}
}

// trickling sends a byte at a time.
type trickling struct {
	net.Conn
	size int
}

func (c *trickling) Write(p []byte) (int, error) {
	for part := range slices.Chunk(p, c.size) {
		if n, err := c.Conn.Write(part); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// rerecording spreads the ClientHello over many TLS records.
type rerecording struct {
	net.Conn
	size  int
	after bool
}

func (c *rerecording) Write(p []byte) (int, error) {
	if c.after {
		return c.Conn.Write(p)
	}
	c.after = true
	var out []byte
	for part := range slices.Chunk(p[5:], c.size) {
		out = append(append(out, p[0], p[1], p[2], 0, byte(len(part))), part...)
	}
	_, err := c.Conn.Write(out)
	return len(p), err
}

// TestUnreadableHello: on a PERMISSIVE port it is refused rather than passed on unseen; on a STRICT one the handshake fails.
func TestUnreadableHello(t *testing.T) {
	w := newWorld(t, nil)
	for mode, want := range map[proxyconfig.Mode]Reason{
		proxyconfig.Permissive: ReasonHelloUnreadable, proxyconfig.Strict: ReasonHandshakeFailed,
	} {
		w.mode(mode)
		conn := w.dial(w.inbound)
		_, _ = conn.Write([]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"))
		_, _ = io.ReadAll(conn)
		conn.Close()
		w.wantEntry(telemetry.Refused, string(want), "")
	}
	if w.app.accepted.Load() != 0 {
		t.Error("it reached the application")
	}
}

// TestAppUnreachable: where nobody listens the client gets what it would get without a proxy.
func TestAppUnreachable(t *testing.T) {
	w := newWorld(t, nil)
	w.mode(proxyconfig.Permissive)
	w.app.listener.Close()
	if got := w.askAt(w.inbound); got != "reset" {
		t.Errorf("the client got %q", got)
	}
	w.wantEntry(telemetry.Failed, string(ReasonAppUnreachable), "does the application listen")
}

// TestNotTaken: connections that never become any.
func TestNotTaken(t *testing.T) {
	w := newWorld(t, func(w *world, o *Options) {
		o.Limits = Limits{Connections: 1, Handshake: 50 * time.Millisecond}
	})
	for _, own := range naming.ReservedPorts() {
		w.goTo(netip.AddrPortFrom(w.app.address.Addr(), uint16(own)))
		if got := w.askAt(w.inbound); got != "reset" {
			t.Errorf("to the proxy's own port %d: %q", own, got)
		}
		w.wantEntry(telemetry.Refused, string(ReasonNotRedirected), fmt.Sprint(own))
	}
	w.goTo(w.app.address)

	w.dial(w.inbound)
	w.wantEntry(telemetry.Refused, string(ReasonSilent), "clients speak first")

	half := w.dial(w.inbound)
	_, _ = half.Write([]byte("\x16"))
	w.wantEntry(telemetry.Refused, string(ReasonHandshakeTimeout), "")

	w.mode(proxyconfig.Disable)
	first := w.dial(w.inbound)
	if got := ask(first); got != served {
		t.Fatalf("the first: %q", got)
	}
	if got := w.askAt(w.inbound); got != "reset" {
		t.Errorf("one too many: %q", got)
	}
	w.wantEntry(telemetry.Refused, string(ReasonTooManyConnections), "1 connections")
}

// TestNoConfiguration: a proxy that was never told anything refuses.
func TestNoConfiguration(t *testing.T) {
	w := newWorld(t, nil)
	w.workload.state.Store(nil)
	for _, listener := range []net.Addr{w.inbound, w.outbound} {
		if got := w.askAt(listener); got != "reset" {
			t.Errorf("got %q", got)
		}
		w.wantEntry(telemetry.Refused, string(ReasonNoConfiguration), "")
	}
	if w.workload.Decide(authz.Request{}).Allowed {
		t.Error("decides without a configuration")
	}
	if err := w.workload.SetConfig(&proxyconfig.Config{}); err == nil {
		t.Error("a configuration without modes is taken")
	}
}
