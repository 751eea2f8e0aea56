package netns

import (
	"crypto/tls"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

// addresses: where a client comes from is what its packets say, and neither a header nor a protocol before the first request.
func (a *arena) addresses(t *testing.T) {
	near := a.orders.Net.IPv4.String()
	for protocol, say := range a.protocols() {
		if got := say(t, a.orders, forged{path: "/near"}); got != "200" {
			t.Errorf("%s: from the address itself: %q", protocol, got)
		}
		for _, name := range []string{
			"X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Envoy-External-Address", "X-Envoy-Internal", "X-Cluster-Client-Ip", "True-Client-Ip",
		} {
			for _, value := range []string{near, "for=" + near, "true", "127.0.0.1"} {
				if got := say(t, a.stranger, forged{path: "/near", fields: []string{name, value}}); got != "403" {
					t.Errorf("%s: %s: %s is answered with %q", protocol, name, value, got)
				}
			}
		}
	}
	server := a.server.Net.IPv4.String()
	for version, preface := range map[string]string{
		"1": "PROXY TCP4 " + near + " " + server + " 40000 8081\r\n",
		"2": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + string(a.orders.Net.IPv4.AsSlice()) + string(a.server.Net.IPv4.AsSlice()) + "\x9c\x40\x1f\x91",
	} {
		a.refuses(t, "PROXY protocol, version "+version, "400", preface+"GET /near HTTP/1.1\r\nHost: payments\r\n\r\n")
	}
}

// fronting: the name in a ClientHello decides neither who has to prove himself nor whom a request is for.
func (a *arena) fronting(t *testing.T) {
	genuine := a.genuine(t, a.id("orders"))
	for _, name := range []string{"", "open.example", "secret.example", "witness", "outbound_.8081_._.payments", "x.open.example", strings.Repeat("a", 250)} {
		nobody := shows(nil, naming.ALPN)
		nobody.ServerName = name
		for _, port := range meshPorts {
			if err := a.present(t, port, nobody, nil); err == nil {
				t.Errorf("SNI %q, port %d: nobody's certificate is taken", name, port)
			}
		}
		for host, want := range map[string]string{"open.example": "200", "secret.example": "403", "Secret.Example.:1": "403"} {
			somebody := shows(genuine, naming.ALPN)
			somebody.ServerName = name
			if got := a.front(t, somebody, host); got != want {
				t.Errorf("SNI %q, Host %q: got %q, want %s", name, host, got, want)
			}
		}
	}
	a.witness.take()
}

// front is the status of a request for a host within TLS for another.
func (a *arena) front(t *testing.T, config *tls.Config, host string) string {
	t.Helper()
	conn := tls.Client(a.call(t, a.stranger, witnessHTTP), config)
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "GET /open HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host); err != nil {
		return err.Error()
	}
	head, err := io.ReadAll(conn)
	if len(head) < len("HTTP/1.1 200") {
		return fmt.Sprintf("%q, %v", head, err)
	}
	return string(head[len("HTTP/1.1 "):len("HTTP/1.1 200")])
}
