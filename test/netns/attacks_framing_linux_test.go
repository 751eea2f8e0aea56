package netns

import (
	"strings"
	"testing"
)

// smuggled is what the attacks on framing try to get past the rule for /admin. It has 39 bytes.
const smuggled = "GET /admin HTTP/1.1\r\nHost: payments\r\n\r\n"

const (
	post  = "POST /open HTTP/1.1\r\nHost: payments\r\n"
	chunk = "2\r\nhi\r\n0\r\n\r\n"
)

// framing: a message has one end, and what asks for another protocol gets a tunnel only where the application agreed to it.
func (a *arena) framing(t *testing.T) {
	for name, text := range map[string]string{
		"CL.TE":                       post + "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
		"TE.CL":                       post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + chunk,
		"TE.TE":                       post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunk,
		"TE list":                     post + "Transfer-Encoding: chunked, identity\r\n\r\n" + chunk,
		"TE that is nearly chunked":   post + "Transfer-Encoding: xchunked\r\n\r\n" + chunk,
		"TE with a vertical tab":      post + "Transfer-Encoding: \vchunked\r\n\r\n" + chunk,
		"TE with space before colon":  post + "Transfer-Encoding : chunked\r\n\r\n" + chunk,
		"TE folded":                   post + "Transfer-Encoding:\r\n chunked\r\n\r\n" + chunk,
		"TE in HTTP/1.0":              "POST /open HTTP/1.0\r\nHost: payments\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
		"two lengths":                 post + "Content-Length: 0\r\nContent-Length: 39\r\n\r\n",
		"length with a sign":          post + "Content-Length: +2\r\n\r\nhi",
		"length in hexadecimal":       post + "Content-Length: 0x2\r\n\r\nhi",
		"list of lengths":             post + "Content-Length: 2, 2\r\n\r\nhi",
		"Connection names the length": post + "Connection: Content-Length\r\nContent-Length: 39\r\n\r\n",
		"bare line feeds":             "GET /open HTTP/1.1\nHost: payments\n\n",
		"a bare line feed":            "GET /open HTTP/1.1\r\nHost: payments\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
		"a bare carriage return":      "GET /open HTTP/1.1\r\nHost: payments\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n" + chunk,
		"two Hosts":                   "GET /open HTTP/1.1\r\nHost: payments\r\nHost: secret.example\r\n\r\n",
		"no Host":                     "GET /open HTTP/1.1\r\n\r\n",
	} {
		a.refuses(t, name, "400", text+smuggled)
	}
	a.refuses(t, "CONNECT with early data", "405", "CONNECT payments:8081 HTTP/1.1\r\nHost: payments\r\n\r\n"+smuggled)
	a.refuses(t, "a preface that is not one", "505", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r"+smuggled)
	a.refuses(t, "a head without end", "431", "GET /open HTTP/1.1\r\nHost: payments\r\nX: "+strings.Repeat("a", 1<<17))

	for name, tc := range map[string]struct{ text, want, unheard string }{
		"a request in a body":  {post + "Content-Length: 39\r\n\r\n" + smuggled + smuggled, "200 403", ""},
		"extensions of chunks": {post + "Transfer-Encoding: chunked\r\n\r\n2;evil=1\r\nhi\r\n0;evil\r\n\r\n" + smuggled, "200 403", "evil"},
		"a refused upgrade":    {"GET /open HTTP/1.1\r\nHost: payments\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + smuggled, "200 403", "GET /admin"},
		"h2c": {"GET /open HTTP/1.1\r\nHost: payments\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
			"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + smuggled, "200 403", "AAMAAABkAAQAAP__"},
		"h2c among others":       {"GET /open HTTP/1.1\r\nHost: payments\r\nConnection: Upgrade\r\nUpgrade: websocket, H2C\r\n\r\n" + smuggled, "200 403", "H2C"},
		"TLS inside":             {"GET /open HTTP/1.1\r\nHost: payments\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2\r\n\r\n" + smuggled, "200 403", "TLS/1.2"},
		"HTTP2-Settings alone":   {"GET /open HTTP/1.1\r\nHost: payments\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + smuggled, "200 403", "AAMAAABkAAQAAP__"},
		"a header by Connection": {"GET /open HTTP/1.1\r\nHost: payments\r\nConnection: X-Env\r\nX-Env: dev\r\n\r\n" + smuggled, "200 403", "dev"},
	} {
		for attacker, from := range a.attackers() {
			a.witness.take()
			if got := a.say(t, from, tc.text); got != tc.want {
				t.Errorf("%s, %s: got %q, want %q", name, attacker, got, tc.want)
			}
			heard := a.witness.take()
			if tc.unheard != "" && strings.Contains(heard, tc.unheard) || strings.Count(heard, understood) > 1 {
				t.Errorf("%s, %s: the application hears %q", name, attacker, heard)
			}
		}
	}
}

// refuses checks that text is answered once, with the status, and that the application hears none of it.
func (a *arena) refuses(t *testing.T, name, status, text string) {
	t.Helper()
	for attacker, from := range a.attackers() {
		a.witness.take()
		if got := a.say(t, from, text); got != status {
			t.Errorf("%s, %s: got %q, want %s", name, attacker, got, status)
		}
		if heard := a.witness.take(); heard != "" {
			t.Errorf("%s, %s: the application hears %q", name, attacker, heard)
		}
	}
}
