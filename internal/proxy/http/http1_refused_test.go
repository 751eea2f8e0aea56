package http

import (
	"context"
	"fmt"
	"net"
	nethttp "net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// ownAnswer is what the proxy answers itself.
func ownAnswer(status, text, id string, last bool) string {
	closing := ""
	if last {
		closing = "Connection: close\r\n"
	}
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nX-Request-Id: %s\r\nContent-Length: %d\r\n%s\r\n%s",
		status, id, len(text), closing, text)
}

// TestRefused has what must not reach an application, each with a second request behind it that must not either: whatever
// one program reads in another way than the next is an attack on the one behind it.
func TestRefused(t *testing.T) {
	const host = "Host: shop\r\n"
	many := strings.Repeat("a: b\r\n", maxFields)
	tests := []struct {
		name, in string
		status   int
	}{
		// Framing.
		{"length and chunks", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"chunks and length", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
		{"list of lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5, 5\r\n\r\nhello", 400},
		{"signed length", "POST / HTTP/1.1\r\n" + host + "Content-Length: +5\r\n\r\nhello", 400},
		{"negative length", "POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
		{"hexadecimal length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0x5\r\n\r\nhello", 400},
		{"length with an underscore", "POST / HTTP/1.1\r\n" + host + "Content-Length: 1_0\r\n\r\nhello", 400},
		{"no length", "POST / HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n", 400},
		{"length that overflows", "POST / HTTP/1.1\r\n" + host + "Content-Length: 9223372036854775808\r\n\r\n", 400},
		{"encoding twice", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"encoding identity", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 400},
		{"encoding list", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
		{"encoding with a vertical tab", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		{"encoding in quotes", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400},
		{"encoding with a parameter", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked;x\r\n\r\n0\r\n\r\n", 400},
		{"empty encoding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n\r\n", 400},
		{"encoding in HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"space before the colon", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
		{"folded line", "GET / HTTP/1.1\r\n" + host + "X: a\r\n Transfer-Encoding: chunked\r\n\r\n", 400},
		{"folded with a tab", "GET / HTTP/1.1\r\n" + host + "X: a\r\n\tb\r\n\r\n", 400},
		{"folded first line", "GET / HTTP/1.1\r\n Host: shop\r\n\r\n", 400},
		{"bare line feed in the head", "GET / HTTP/1.1\r\n" + host + "X: a\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"bare line feeds", "GET / HTTP/1.1\nHost: shop\n\n", 400},
		{"bare carriage return in a value", "GET / HTTP/1.1\r\n" + host + "X: a\rTransfer-Encoding: chunked\r\n\r\n", 400},
		{"carriage return before the end", "GET / HTTP/1.1\r\n" + host + "X: a\r\r\n\r\n", 400},
		{"Connection names the length", "POST / HTTP/1.1\r\n" + host + "Connection: content-length\r\nContent-Length: 5\r\n\r\nhello", 400},
		{"Connection names the encoding", "POST / HTTP/1.1\r\n" + host + "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"Connection names Host", "GET / HTTP/1.1\r\n" + host + "Connection: close, host\r\n\r\n", 400},
		{"Connection names the certificate", "GET / HTTP/1.1\r\n" + host + "Connection: x_forwarded-Client-cert\r\n\r\n", 400},
		{"Connection that is no token", "GET / HTTP/1.1\r\n" + host + "Connection: a b\r\n\r\n", 400},

		// Names and values.
		{"NUL in a value", "GET / HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", 400},
		{"DEL in a value", "GET / HTTP/1.1\r\n" + host + "X: a\x7f\r\n\r\n", 400},
		{"NUL in a name", "GET / HTTP/1.1\r\n" + host + "X\x00: a\r\n\r\n", 400},
		{"byte over 127 in a name", "GET / HTTP/1.1\r\n" + host + "X\xe4: a\r\n\r\n", 400},
		{"empty name", "GET / HTTP/1.1\r\n" + host + ": a\r\n\r\n", 400},
		{"no colon", "GET / HTTP/1.1\r\n" + host + "X\r\n\r\n", 400},
		{"too many fields", "GET / HTTP/1.1\r\n" + host + many + "\r\n", 431},
		{"too large", "GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", maxHead) + "\r\n\r\n", 431},
		{"target too long", "GET /" + strings.Repeat("a", maxTarget) + " HTTP/1.1\r\n" + host + "\r\n", 414},

		// The request line.
		{"two spaces", "GET  / HTTP/1.1\r\n" + host + "\r\n", 400},
		{"tab", "GET\t/ HTTP/1.1\r\n" + host + "\r\n", 400},
		{"space in the target", "GET /a b HTTP/1.1\r\n" + host + "\r\n", 400},
		{"tab in the target", "GET /a?\tb HTTP/1.1\r\n" + host + "\r\n", 400},
		{"NUL in the query", "GET /?a\x00 HTTP/1.1\r\n" + host + "\r\n", 400},
		{"escaped NUL", "GET /a%00 HTTP/1.1\r\n" + host + "\r\n", 400},
		{"dots with parameters", "GET /a/..;/admin HTTP/1.1\r\n" + host + "\r\n", 400},
		{"no leading slash", "GET admin HTTP/1.1\r\n" + host + "\r\n", 400},
		{"asterisk", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", 400},
		{"no version", "GET /\r\n" + host + "\r\n", 400},
		{"HTTP/0.9", "GET / HTTP/0.9\r\n" + host + "\r\n", 505},
		{"HTTP/2.0", "GET / HTTP/2.0\r\n" + host + "\r\n", 505},
		{"lower-case version", "GET / http/1.1\r\n" + host + "\r\n", 400},
		{"method that is no token", "G(T / HTTP/1.1\r\n" + host + "\r\n", 400},
		{"no method", " / HTTP/1.1\r\n" + host + "\r\n", 400},
		{"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 400},
		{"almost the preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", 505},

		// Whom it is for.
		{"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"no Host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 400},
		{"two Hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
		{"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"Host with a path", "GET / HTTP/1.1\r\nHost: shop/x\r\n\r\n", 400},
		{"Host with a user", "GET / HTTP/1.1\r\nHost: a@shop\r\n\r\n", 400},
		{"list of Hosts", "GET / HTTP/1.1\r\nHost: shop,other\r\n\r\n", 400},
		{"target and Host differ", "GET http://other/ HTTP/1.1\r\n" + host + "\r\n", 400},
		{"target without a host", "GET http:///a HTTP/1.1\r\n" + host + "\r\n", 400},
		{"other scheme", "GET ftp://shop/ HTTP/1.1\r\n" + host + "\r\n", 400},

		// What would carry requests past us.
		{"CONNECT", "CONNECT shop:80 HTTP/1.1\r\n" + host + "\r\n", 405},
		{"CONNECT with a path", "CONNECT / HTTP/1.1\r\n" + host + "\r\n", 405},
		{"another expectation", "GET / HTTP/1.1\r\n" + host + "Expect: 200-ok\r\n\r\n", 417},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			app := r.script(ok, ok)
			_, _ = r.client.Write([]byte(tt.in + "GET /second HTTP/1.1\r\nHost: shop\r\n\r\n"))
			back := r.finish()
			if got := app(); got != "" {
				t.Errorf("the application received %q", got)
			}
			entry := r.entry()
			want := fmt.Sprintf("HTTP/1.1 %d %s\r\n", tt.status, nethttp.StatusText(tt.status))
			if !strings.HasPrefix(back, want) || !strings.Contains(back, "\r\nConnection: close\r\n") || strings.Count(back, nameRequestID) != 1 {
				t.Errorf("back %q, want only %q and the end", back, want)
			}
			if entry.Verdict != telemetry.Refused || entry.Status != tt.status || entry.Detail == "" || entry.RequestID == "" {
				t.Errorf("entry %+v", entry)
			}
		})
	}
}

func TestDenied(t *testing.T) {
	object := authz.Decision{Rule: 3, Reason: authz.ReasonDenied}
	r := newRig(t, deciding(func(q authz.Request) authz.Decision {
		if q.HTTP.Path == "/admin" {
			return object
		}
		return allowAll(q)
	}))
	app := r.script(ok)
	r.send("GET /x/../admin?a HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 1\r\n\r\n" +
		"POST //admin HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 2\r\nContent-Length: 5\r\n\r\nhello" +
		"HEAD /admin HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 3\r\n\r\n" +
		"GET /open HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 4\r\n\r\n" +
		"POST /admin HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	want := ownAnswer("403 Forbidden", "RBAC: access denied", "1", false) +
		ownAnswer("403 Forbidden", "RBAC: access denied", "2", false) +
		strings.TrimSuffix(ownAnswer("403 Forbidden", "RBAC: access denied", "3", false), "RBAC: access denied") +
		ok + ownAnswer("403 Forbidden", "RBAC: access denied", "5", true)
	if diff := cmp.Diff(want, r.finish()); diff != "" {
		t.Errorf("back (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("GET /open HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 4\r\n\r\n", app()); diff != "" {
		t.Errorf("at the application (-want +got):\n%s", diff)
	}
	first := r.recorded()[0]
	if first.Verdict != telemetry.Denied || first.Reason != string(authz.ReasonDenied) || first.Rule != 3 || first.Status != 403 ||
		first.Path != "/admin" || first.RequestID != "1" || first.Received != 0 {
		t.Errorf("entry %+v", first)
	}
}

func TestUnreachable(t *testing.T) {
	r := newRig(t, func(_ *rig, o *Options, _ *Connection) {
		o.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
		}
	})
	r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 1\r\n\r\n")
	want := ownAnswer("503 Service Unavailable", "the application does not accept connections", "1", false)
	if diff := cmp.Diff(want, r.finish()); diff != "" {
		t.Errorf("back (-want +got):\n%s", diff)
	}
	if e := r.entry(); e.Verdict != telemetry.Failed || e.Reason != string(ReasonUnreachable) || !strings.Contains(e.Detail, "listen on 127.0.0.1 only") {
		t.Errorf("entry %+v", e)
	}
}
