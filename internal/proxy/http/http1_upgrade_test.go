package http

import (
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

const (
	upgradeRequest = "GET /chat HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nConnection: keep-alive, Upgrade\r\nX-Request-Id: r\r\n\r\n"
	upgradeAtApp   = "GET /chat HTTP/1.1\r\nHost: shop\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nX-Request-Id: r\r\nConnection: Upgrade\r\n\r\n"
	upgradeAnswer  = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: y\r\nConnection: Upgrade\r\n\r\n"
)

// openTunnel is a rig whose client and application have agreed to change the protocol.
func openTunnel(t *testing.T) (*rig, *net.TCPConn) {
	t.Helper()
	r := newRig(t)
	r.send(upgradeRequest)
	app := r.accept()
	expect(t, app, upgradeAtApp)
	_, _ = io.WriteString(app, upgradeAnswer+"hello")
	expect(t, r.client, upgradeAnswer+"hello")
	r.send("from client")
	expect(t, app, "from client")
	_, _ = io.WriteString(app, "from app")
	expect(t, r.client, "from app")
	return r, app
}

func TestTunnelEnds(t *testing.T) {
	r, app := openTunnel(t)
	if diff := cmp.Diff("", r.finishTunnel(app)); diff != "" {
		t.Error(diff)
	}
	e := r.entry()
	if e.Verdict != telemetry.Allowed || e.Status != 101 || e.Received != int64(len(upgradeAtApp+"from client")) ||
		e.Sent != int64(len(upgradeAnswer+"hello"+"from app")) {
		t.Errorf("entry %+v", e)
	}
}

// finishTunnel ends one direction after the other.
func (r *rig) finishTunnel(app *net.TCPConn) string {
	_ = r.client.CloseWrite()
	atApp, _ := io.ReadAll(app)
	_ = app.Close()
	atClient, _ := io.ReadAll(r.client)
	return string(atApp) + string(atClient)
}

func TestTunnelIsRevoked(t *testing.T) {
	r, app := openTunnel(t)
	r.change(allowAll)
	r.send("still")
	expect(t, app, "still")
	r.change(denyPath("/chat"))
	r.wait()
	expectEnd(t, r.client)
	if e := r.entry(); e.Verdict != telemetry.Revoked || e.Reason != string(authz.ReasonNoAllowMatched) {
		t.Errorf("entry %+v", e)
	}
}

// What follows a request that asks for another protocol is a request for as long as the application has not agreed.
func TestNoTunnelWithoutAgreement(t *testing.T) {
	r := newRig(t, deciding(denyPath("/admin")))
	app := r.script("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	r.send(upgradeRequest + "GET /admin HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 2\r\n\r\n")
	want := "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" + ownAnswer("403 Forbidden", deniedText, "2", false)
	if diff := cmp.Diff(want, r.finish()); diff != "" {
		t.Errorf("back (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(upgradeAtApp, app()); diff != "" {
		t.Errorf("at the application (-want +got):\n%s", diff)
	}
}

// TestIgnoredUpgrade has wishes that the application never hears of: the request is served like any other, and so is the one
// behind it.
func TestIgnoredUpgrade(t *testing.T) {
	const (
		line = " / HTTP/1.1\r\nHost: shop\r\n"
		id   = "X-Request-Id: r\r\n"
	)
	for name, tt := range map[string]struct{ method, fields, body, passed string }{
		"curl --http2":      {"GET", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "", ""},
		"with a body":       {"POST", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\nContent-Length: 3\r\n", "abc", "Content-Length: 3\r\n"},
		"unnamed settings":  {"GET", "HTTP2-Settings: AAMAAABkAAQAAP__\r\n", "", ""},
		"by its other name": {"GET", "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n", "", ""},
		"Apache's client":   {"POST", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\nContent-Length: 3\r\n", "abc", "Content-Length: 3\r\n"},
		"a list":            {"GET", "Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n", "", ""},
		"two":               {"GET", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: foo\r\n", "", ""},
		"a body":            {"POST", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n", "abc", "Content-Length: 3\r\n"},
		"not in Connection": {"GET", "Upgrade: websocket\r\n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, deciding(denyPath("/admin")))
			app := r.script(ok)
			r.send(tt.method + line + id + tt.fields + "\r\n" + tt.body + "GET /admin HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 2\r\n\r\n")
			if diff := cmp.Diff(ok+ownAnswer("403 Forbidden", deniedText, "2", false), r.finish()); diff != "" {
				t.Errorf("back (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.method+line+id+tt.passed+"\r\n"+tt.body, app()); diff != "" {
				t.Errorf("at the application (-want +got):\n%s", diff)
			}
			if e := r.recorded()[0]; e.Verdict != telemetry.Allowed || e.Status != 200 {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

// TestAgreementToAnIgnoredUpgrade: an application that changes to what it was not asked for gets no tunnel.
func TestAgreementToAnIgnoredUpgrade(t *testing.T) {
	r := newRig(t)
	app := r.script("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + "GET / HTTP/1.1\r\n\r\n")
	r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n\r\n")
	if diff := cmp.Diff(badGateway("the application's answer is not valid HTTP", "r"), r.finish()); diff != "" {
		t.Errorf("back (-want +got):\n%s", diff)
	}
	app()
}

func TestMismatchedAgreement(t *testing.T) {
	for name, answer := range map[string]string{
		"another protocol":  "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"two":               "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n\r\n",
		"none":              "HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n",
		"not in Connection": "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			app := r.script(answer + "GET / HTTP/1.1\r\n\r\n")
			r.send(upgradeRequest)
			if diff := cmp.Diff(badGateway("the application's answer is not valid HTTP", "r"), r.finish()); diff != "" {
				t.Errorf("back (-want +got):\n%s", diff)
			}
			app()
		})
	}
}
