package netns

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// shop is a server and three clients of it: two with proxies, and one without.
type shop struct {
	*world
	namespace               string
	server                  *kubelet.Pod
	address                 netip.Addr
	orders, guest, stranger *kubelet.Pod
}

// newShop opens one, and waits until the server is reached.
func newShop(t *testing.T, w *world) *shop {
	t.Helper()
	s := &shop{world: w, namespace: w.namespace(t)}
	s.server, s.address = w.server(t, s.namespace, "payments", true)
	s.orders, s.guest = w.pod(t, s.namespace, "orders", true), w.pod(t, s.namespace, "guest", true)
	s.stranger = w.pod(t, s.namespace, "stranger", false)
	eventually(t, "the first answer", func() error { return ask(t, s.orders, s.address, "/", nil).err })
	return s
}

// TestTraffic: policies that are applied are true for real bytes.
func TestTraffic(t *testing.T) {
	s := newShop(t, newWorld(t))
	t.Run("without policies", s.withoutPolicies)
	t.Run("forged identities", s.forgedIdentities)
	t.Run("STRICT", s.strict)
	t.Run("DISABLE", s.disable)
	t.Run("server first", s.serverFirst)
	t.Run("the application's own TLS", s.ownTLS)
	t.Run("authorisation", s.authorisation)
	t.Run("paths have one form", s.paths)
	t.Run("upgrade", s.upgrade)
	t.Run("gRPC", s.calls)
	t.Run("nginx", s.nginx)
	t.Run("a change reaches open connections", s.openConnections)
	t.Run("DestinationRule", s.destinationRule)
	t.Run("a workload calls itself", s.itself)
}

// settle waits until the policies of the test before are out of force everywhere.
func (s *shop) settle(t *testing.T) {
	t.Helper()
	for _, pod := range []*kubelet.Pod{s.orders, s.guest} {
		eventually(t, "no policy is in force", func() error {
			if got := ask(t, pod, s.address, "/refund", nil); got.status != http.StatusOK || len(got.seen.XFCC) != 1 {
				return fmt.Errorf("status %d, %q: %w", got.status, got.seen.XFCC, got.err)
			}
			return nil
		})
	}
	eventually(t, "no policy is in force", func() error { return ask(t, s.stranger, s.address, "/admin", nil).err })
}

func (s *shop) id(pod string) string {
	return "spiffe://cluster.local/ns/" + s.namespace + "/sa/" + pod
}

// withoutPolicies: proxies use mutual TLS between them, and everybody is let in.
func (s *shop) withoutPolicies(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		got := askWith(t, httpClient(s.orders, http2), s.address, "/a?b=c", nil).want(t, http.StatusOK)
		if len(got.seen.XFCC) != 1 || !strings.HasPrefix(got.seen.XFCC[0], "By="+s.id("payments")+";Hash=") ||
			!strings.HasSuffix(got.seen.XFCC[0], `;Subject="";URI=`+s.id("orders")) {
			t.Errorf("HTTP/2 %t: the application sees %q", http2, got.seen.XFCC)
		}
		if got.seen.Path != "/a?b=c" {
			t.Errorf("HTTP/2 %t: the application sees the path %q", http2, got.seen.Path)
		}
	}
	got := ask(t, s.stranger, s.address, "/", nil).want(t, http.StatusOK)
	if len(got.seen.XFCC) != 0 {
		t.Errorf("a client without identity is %q", got.seen.XFCC)
	}
}

// forgedIdentities: whatever a client says of itself does not reach the application.
func (s *shop) forgedIdentities(t *testing.T) {
	for _, name := range []string{"X-Forwarded-Client-Cert", "x-forwarded-client-cert", "X_Forwarded_Client_Cert", "x-forwarded_client-cert"} {
		got := ask(t, s.stranger, s.address, "/", func(r *http.Request) { r.Header[name] = []string{"URI=" + s.id("admin")} }).want(t, http.StatusOK)
		for header, values := range got.seen.Header {
			if strings.Contains(strings.Join(values, ","), "/sa/admin") {
				t.Errorf("%s reaches the application as %s: %q", name, header, values)
			}
		}
	}
}

func (s *shop) policy(kind, name, spec string) string {
	return fmt.Sprintf("---\napiVersion: warifu.dev/v1alpha1\nkind: %s\nmetadata: {namespace: %s, name: %s}\nspec: %s\n", kind, s.namespace, name, spec)
}

// strict: nobody without identity gets a byte through, and each is told so in the way of its protocol.
func (s *shop) strict(t *testing.T) {
	s.settle(t)
	s.apply(t, s.policy("PeerAuthentication", "default", "{mtls: {mode: STRICT}}"))
	ask(t, s.orders, s.address, "/", nil).want(t, http.StatusOK)
	ask(t, s.stranger, s.address, "/", nil).want(t, 0)
	target := netip.AddrPortFrom(s.server.Net.IPv4, appHTTP).String()
	if got := says(t, s.stranger, "curl", "-sS", "-m", "10", "http://"+target); !strings.Contains(got, "reset") {
		t.Errorf("curl without TLS: %s", got)
	}
	if got := says(t, s.stranger, "openssl", "s_client", "-connect", target, "-tls1_3", "-ign_eof"); !strings.Contains(got, "certificate required") {
		t.Errorf("openssl without a certificate: %s", got)
	}
	if got := says(t, s.stranger, "openssl", "s_client", "-connect", target, "-tls1_2"); !strings.Contains(got, "protocol version") {
		t.Errorf("openssl with TLS 1.2: %s", got)
	}
	for _, port := range []uint16{appEcho, appGreet} {
		if conn, err := dial(t, s.stranger, s.server.Net.IPv4, port); err == nil {
			if err := echo(conn, "plain"); err == nil {
				t.Errorf("port %d answers plaintext", port)
			}
		}
	}
	conn, err := dial(t, s.orders, s.address, appEcho)
	if err != nil {
		t.Fatal(err)
	}
	if err := echo(conn, "with identity"); err != nil {
		t.Error(err)
	}
}

// disable: bytes pass, and identities are neither asked for nor believed.
func (s *shop) disable(t *testing.T) {
	s.settle(t)
	s.apply(t, s.policy("PeerAuthentication", "default", "{mtls: {mode: DISABLE}}"))
	for name, pod := range map[string]*kubelet.Pod{"orders": s.orders, "stranger": s.stranger} {
		eventually(t, name+" speaks plaintext", func() error {
			got := ask(t, pod, s.address, "/", nil)
			if got.status != http.StatusOK || len(got.seen.XFCC) != 0 {
				return fmt.Errorf("status %d, %q: %w", got.status, got.seen.XFCC, got.err)
			}
			return nil
		})
	}
}

// serverFirst: a server that speaks first is heard, through proxies and without.
func (s *shop) serverFirst(t *testing.T) {
	s.settle(t)
	for _, pod := range []*kubelet.Pod{s.orders, s.stranger} {
		for _, port := range []uint16{appGreet, appMail} {
			conn, err := dial(t, pod, s.address, port)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if got, err := firstLine(conn); got != greeting {
				t.Errorf("port %d: got %q, %v", port, got, err)
			}
			t.Logf("port %d: the greeting after %s", port, time.Since(begin).Round(time.Millisecond))
		}
	}
}

// ownTLS: what the application does itself passes untouched.
func (s *shop) ownTLS(t *testing.T) {
	s.settle(t)
	for _, pod := range []*kubelet.Pod{s.orders, s.stranger} {
		conn, err := dial(t, pod, s.address, appTLS)
		if err != nil {
			t.Fatal(err)
		}
		client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "application.test"})
		if err := client.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := client.ConnectionState().PeerCertificates[0].DNSNames; len(got) != 1 || got[0] != "application.test" {
			t.Errorf("the client sees the certificate of %v", got)
		}
	}
}

// authorisation by identity, method and path.
func (s *shop) authorisation(t *testing.T) {
	s.settle(t)
	s.apply(t, s.policy("AuthorizationPolicy", "payments", fmt.Sprintf(
		`{selector: {matchLabels: {app: payments}}, rules: [{from: [{source: {principals: ["cluster.local/ns/%s/sa/orders"]}}], to: [{operation: {methods: [GET], paths: ["/charge*"]}}]}]}`, s.namespace)))
	for _, http2 := range []bool{false, true} {
		orders, guest := httpClient(s.orders, http2), httpClient(s.guest, http2)
		askWith(t, orders, s.address, "/charge/1", nil).want(t, http.StatusOK)
		for name, refused := range map[string]answer{
			"another path":     askWith(t, orders, s.address, "/refund", nil),
			"another method":   askWith(t, orders, s.address, "/charge/1", func(r *http.Request) { r.Method = http.MethodDelete }),
			"another identity": askWith(t, guest, s.address, "/charge/1", nil),
			"no identity":      ask(t, s.stranger, s.address, "/charge/1", nil),
		} {
			if refused.status != http.StatusForbidden || refused.body != "RBAC: access denied" {
				t.Errorf("%s: got %d %q %v", name, refused.status, refused.body, refused.err)
			}
		}
	}
	if conn, err := dial(t, s.orders, s.address, appEcho); err == nil && echo(conn, "tcp") == nil {
		t.Error("a rule with HTTP fields lets TCP in")
	}
}

// paths: no spelling gets around a rule, and the application receives what was decided about.
func (s *shop) paths(t *testing.T) {
	s.settle(t)
	s.apply(t, s.policy("AuthorizationPolicy", "admin", `{action: DENY, rules: [{to: [{operation: {paths: ["/admin*"], ports: ["8080"]}}]}]}`))
	for _, path := range []string{"/admin", "/x/..//admin", "/./admin", "/a/../admin", "/%61dmin", "/a/%2e%2e/admin", `/a\..\admin`, "/admin%2Fx", "/admin?x=/y"} {
		ask(t, s.orders, s.address, "/", func(r *http.Request) { r.URL.Opaque = path }).want(t, http.StatusForbidden)
	}
	got := ask(t, s.orders, s.address, "/", func(r *http.Request) { r.URL.Opaque = "/x//y/../z?q=//" }).want(t, http.StatusOK)
	if got.seen.Path != "/x/z?q=//" {
		t.Errorf("the application received %q", got.seen.Path)
	}
	ask(t, s.orders, s.address, "/", func(r *http.Request) { r.URL.Opaque = "/a%00b" }).want(t, http.StatusBadRequest)
}

// upgrade: a tunnel only where the application agreed to one.
func (s *shop) upgrade(t *testing.T) {
	s.settle(t)
	conn, err := dial(t, s.orders, s.address, appHTTP)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET /upgrade HTTP/1.1\r\nHost: payments\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", response, err)
	}
	fmt.Fprint(conn, "frame\n")
	if got, err := reader.ReadString('\n'); got != "frame\n" {
		t.Errorf("through the tunnel: %q, %v", got, err)
	}
	h2c := func(r *http.Request) {
		r.Header.Set("Connection", "Upgrade, HTTP2-Settings")
		r.Header.Set("Upgrade", "h2c")
		r.Header.Set("HTTP2-Settings", "AAMAAABkAAQAAP__")
	}
	got := ask(t, s.orders, s.address, "/", h2c).want(t, http.StatusOK)
	if got.seen.Proto != "HTTP/1.1" || got.seen.Header["Upgrade"] != nil || got.seen.Header["Http2-Settings"] != nil {
		t.Errorf("Upgrade: h2c reaches the application as %+v", got.seen)
	}
	ask(t, s.orders, s.address, "/upgrade", h2c).want(t, http.StatusBadGateway) // it agrees to what it was not asked for
}

// openConnections: what a new policy forbids ends, whatever is open.
func (s *shop) openConnections(t *testing.T) {
	s.settle(t)
	conn, err := dial(t, s.guest, s.address, appEcho)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := dial(t, s.orders, s.address, appEcho)
	if err != nil {
		t.Fatal(err)
	}
	if err := echo(conn, "open"); err != nil {
		t.Fatal(err)
	}
	if err := echo(kept, "open"); err != nil {
		t.Fatal(err)
	}
	s.apply(t, s.policy("AuthorizationPolicy", "no-guests", fmt.Sprintf(`{action: DENY, rules: [{from: [{source: {principals: ["cluster.local/ns/%s/sa/guest"]}}]}]}`, s.namespace)))
	// apply has waited until the policy was in force, so the connection has at most to be seen closed.
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := io.ReadAll(conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("the connection is still open a second after the policy is in force")
	}
	if err := echo(kept, "still open"); err != nil {
		t.Errorf("another client's connection: %v", err)
	}
}

// destinationRule: how a client begins is as written, and never falls back.
func (s *shop) destinationRule(t *testing.T) {
	s.settle(t)
	bare, address := s.world.server(t, s.namespace, "bare", false)
	eventually(t, "plaintext to a server without proxy", func() error { return ask(t, s.orders, address, "/", nil).err })
	t.Run("ISTIO_MUTUAL to a server without proxy", func(t *testing.T) {
		s.apply(t, s.policy("DestinationRule", "bare", "{host: bare, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}"))
		ask(t, s.orders, address, "/", nil).want(t, 0)
		ask(t, s.stranger, bare.Net.IPv4, "/", nil).want(t, http.StatusOK)
	})
	t.Run("DISABLE to a STRICT server", func(t *testing.T) {
		s.apply(t, s.policy("PeerAuthentication", "default", "{mtls: {mode: STRICT}}")+
			s.policy("DestinationRule", "payments", "{host: payments, trafficPolicy: {tls: {mode: DISABLE}}}"))
		ask(t, s.orders, s.address, "/", nil).want(t, 0)
	})
	t.Run("another identity than the server's", func(t *testing.T) {
		s.apply(t, s.policy("DestinationRule", "payments", `{host: payments, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://cluster.local/ns/x/sa/y"]}}}`))
		ask(t, s.orders, s.address, "/", nil).want(t, 0)
	})
}

// itself: what a workload sends to its own Service passes its own policies.
func (s *shop) itself(t *testing.T) {
	s.settle(t)
	got := ask(t, s.server, s.address, "/", nil).want(t, http.StatusOK)
	if len(got.seen.XFCC) != 1 || !strings.HasSuffix(got.seen.XFCC[0], "URI="+s.id("payments")) {
		t.Errorf("the application sees %q", got.seen.XFCC)
	}
}
