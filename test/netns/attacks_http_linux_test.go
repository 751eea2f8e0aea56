package netns

import (
	"net/http"
	"strings"
	"testing"
)

// unmistakable says every request in both protocols and from both sides. It is refused with the status, and no part of it
// reaches the witness.
func (a *arena) unmistakable(t *testing.T, want string, requests ...forged) {
	t.Helper()
	for protocol, say := range a.protocols() {
		for attacker, from := range a.attackers() {
			for _, request := range requests {
				a.witness.take()
				if got := say(t, from, request); got != want {
					t.Errorf("%s, %s, %+v: got %q, want %s", protocol, attacker, request, got, want)
				}
				if heard := a.witness.take(); want != "200" && heard != "" {
					t.Errorf("%s, %s, %+v: the application hears %q", protocol, attacker, request, heard)
				}
			}
		}
	}
}

// paths: no spelling of a path gets around the rule for it.
func (a *arena) paths(t *testing.T) {
	var refused, broken []forged
	for _, path := range []string{
		"/admin", "//admin", "/./admin", "/a/../admin", "/a/..//admin", "/%61dmin", "/%2Fadmin", "/a%2F..%2Fadmin", "/a/%2e%2e/admin",
		`/\admin`, `/a\..\admin`, "/a%5C..%5Cadmin", "/admin?x", "/admin?/../open", "/admin#x", "/admin/../admin", "/../admin", "//admin/x",
	} {
		refused = append(refused, forged{path: path})
	}
	// What another program says that the path was is nothing to decide by.
	for _, name := range []string{"X-Envoy-Original-Path", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri"} {
		refused = append(refused, forged{path: "/admin", fields: []string{name, "/open"}})
	}
	a.unmistakable(t, "403", refused...)
	for _, path := range []string{"admin", "*", "http:/admin", "/a/..;/admin", "/a%00/../admin", "/%zzadmin", "/a/.%00./admin"} {
		broken = append(broken, forged{path: path})
	}
	a.unmistakable(t, "400", broken...)
	a.unmistakable(t, "200", forged{}, forged{path: "/open?/admin"})
}

// hostsAndMethods: neither the case nor a port nor a dot makes another host, and a method has one case.
func (a *arena) hostsAndMethods(t *testing.T) {
	var refused []forged
	for _, host := range []string{"secret.example", "SECRET.example", "secret.example:8081", "Secret.Example:80", "secret.example.", "secret.EXAMPLE.:1"} {
		refused = append(refused, forged{host: host})
	}
	for _, method := range []string{"DELETE", "delete", "Delete", "dELETE"} {
		refused = append(refused, forged{method: method})
	}
	a.unmistakable(t, "403", refused...)
	a.unmistakable(t, "400",
		forged{host: "a@secret.example"}, forged{host: "secret.example/x"}, forged{host: "open,secret.example"},
		forged{fields: []string{"Host", "secret.example"}},
		forged{method: "GET /admin HTTP/1.1"})
	a.unmistakable(t, "405", forged{method: http.MethodConnect})
	for _, absolute := range []string{"http://secret.example/", "HTTP://SECRET.example:80/"} {
		host := strings.TrimSuffix(absolute[len("http://"):], "/")
		for attacker, from := range a.attackers() {
			if got := a.sayHTTP1(t, from, forged{path: absolute, host: host}); got != "403" {
				t.Errorf("%s: %s is answered with %q", attacker, absolute, got)
			}
			if got := a.sayHTTP1(t, from, forged{path: absolute, host: "open"}); got != "400" {
				t.Errorf("%s: %s for the host open is answered with %q", attacker, absolute, got)
			}
		}
	}
	for attacker, from := range a.attackers() {
		s := a.speak(t, from, witnessHTTP)
		_ = s.headers(1, true, ":method", "GET", ":scheme", "HTTP", ":authority", "payments", ":path", "/open")
		if got := s.outcome(1); got != "400" {
			t.Errorf("%s: a scheme in another case is answered with %q", attacker, got)
		}
	}
}

// headers: a value counts wherever it stands, and one that is not what it seems fails closed.
func (a *arena) headers(t *testing.T) {
	a.unmistakable(t, "403",
		forged{fields: []string{"X-Env", "prod"}},
		forged{fields: []string{"x-eNV", "prod"}},
		forged{fields: []string{"X-Env", "dev", "X-Env", "prod"}},
		forged{fields: []string{"X-Env", "prod", "X-Env", "dev"}},
		forged{fields: []string{"X-Env", "dev, prod"}},
		forged{path: "/role"},
		forged{path: "/role", fields: []string{"X-Role", "user\xff"}},
		forged{path: "/role", fields: []string{"X-Role", "user", "X-Role", "root"}},
	)
	a.unmistakable(t, "400",
		forged{fields: []string{"X-Env", "prod\x00"}},
		forged{fields: []string{"X-Env\x00", "prod"}},
		forged{fields: []string{"X-Env ", "prod"}},
		forged{fields: []string{"X-Env", "dev\nX-Env: prod"}},
	)
	a.unmistakable(t, "200", forged{fields: []string{"X-Env", "dev"}}, forged{path: "/role", fields: []string{"X-Role", "user"}})
	// A header that some application would read as the one that was decided about does not reach it, nor one that was taken away.
	for protocol, say := range a.protocols() {
		a.witness.take()
		if got := say(t, a.stranger, forged{fields: []string{"X_Env", "prod"}}); got != "200" {
			t.Errorf("%s: X_Env is answered with %q", protocol, got)
		}
		if heard := a.witness.take(); strings.Contains(heard, "prod") {
			t.Errorf("%s: the application hears %q", protocol, heard)
		}
	}
}

// forgedIdentities: nobody but the proxy says who somebody is, by header or trailer and in any spelling.
func (a *arena) forgedIdentities(t *testing.T) {
	const claim = "URI=spiffe://cluster.local/ns/x/sa/forged"
	for attacker, from := range a.attackers() {
		for protocol, say := range a.protocols() {
			for _, name := range []string{
				"X-Forwarded-Client-Cert", "x-forwarded-client-cert", "X_FORWARDED_CLIENT_CERT", "X-Forwarded_Client-Cert", "x.forwarded.client.cert", "X~Forwarded-Client-Cert",
			} {
				a.witness.take()
				if got := say(t, from, forged{fields: []string{name, claim, name, claim + "," + claim}}); got != "200" {
					t.Errorf("%s, %s, %s: got %q", attacker, protocol, name, got)
				}
				a.wantUnforged(t, attacker+", "+protocol+", "+name)
			}
		}
		a.witness.take()
		text := "POST /open HTTP/1.1\r\nHost: payments\r\nTransfer-Encoding: chunked\r\nTrailer: X-Forwarded-Client-Cert\r\n\r\n" +
			"2\r\nhi\r\n0\r\nX-Forwarded-Client-Cert: " + claim + "\r\nX-Env: prod\r\n\r\n"
		if got := a.say(t, from, text); got != "200" {
			t.Errorf("%s: the trailer is answered with %q", attacker, got)
		}
		a.wantUnforged(t, attacker+", trailer")
		s := a.speak(t, from, witnessHTTP)
		_ = s.ask(1, false)
		_ = s.headers(1, true, "x-forwarded-client-cert", claim)
		if got := s.outcome(1); got != "200" {
			t.Errorf("%s: the trailer in HTTP/2 is answered with %q", attacker, got)
		}
		a.wantUnforged(t, attacker+", trailer in HTTP/2")
	}
	a.witness.take()
	if got := a.say(t, a.orders, "GET /open HTTP/1.1\r\nHost: payments\r\nConnection: X-Forwarded-Client-Cert\r\n\r\n"); got != "400" {
		t.Errorf("Connection takes the identity away: %q", got)
	}
}

// wantUnforged checks that the application was reached, and by nobody who is called forged.
func (a *arena) wantUnforged(t *testing.T, what string) {
	t.Helper()
	if heard := a.witness.take(); strings.Contains(heard, "forged") || !strings.Contains(heard, understood) {
		t.Errorf("%s: the application hears %q", what, heard)
	}
}
