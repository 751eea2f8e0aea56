package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// ports: of the proxy's own ports a stranger gets health and nothing else, and what listens on 127.0.0.1 stays there.
func (a *arena) ports(t *testing.T) {
	a.witness.take()
	for _, port := range []uint16{naming.PortOutbound, naming.PortInbound, naming.PortRedirectTest, witnessLocal} {
		attackers := a.attackers()
		if port != witnessLocal {
			attackers["the application itself"] = a.server
		}
		for attacker, from := range attackers {
			for _, address := range []netip.Addr{a.server.Net.IPv4, a.server.Net.IPv6} {
				if got, err := a.knock(t, from, netip.AddrPortFrom(address, port)); err == nil {
					t.Errorf("%s: %s port %d answers %q", attacker, address, port, got)
				}
			}
		}
	}
	// The proxy forwards to the pod's own address: a client that names another one does not choose where to.
	for attacker, from := range a.attackers() {
		if got := a.sayHTTP1(t, from, forged{path: "http://127.0.0.1:7000/", host: "127.0.0.1:7000"}); got != "200" {
			t.Errorf("%s: a request for 127.0.0.1:7000 is answered with %q", attacker, got)
		}
	}
	loopback, err := dial(t, a.server, netip.MustParseAddr("127.0.0.1"), witnessLocal)
	if err != nil {
		t.Fatal(err)
	}
	if err := echo(loopback, "here"); err != nil {
		t.Errorf("the pod itself does not reach its own 127.0.0.1: %v", err)
	}
	a.witness.take()
}

// knock sends a request to a port and waits for anything to come back.
func (a *arena) knock(t *testing.T, from *kubelet.Pod, to netip.AddrPort) (string, error) {
	t.Helper()
	conn, err := dial(t, from, to.Addr(), to.Port())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(exchangeTimeout))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: payments\r\n\r\n"); err != nil {
		return "", err
	}
	first, err := bufio.NewReader(conn).ReadString('\n')
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return "nothing, and stays open", nil
	}
	return first, err
}

// adminPort: metrics name workloads and are for those whom the operator's configuration lists; nothing is changed by anybody.
func (a *arena) adminPort(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, naming.PathReady, http.StatusOK},
		{http.MethodGet, naming.PathLive, http.StatusOK},
		{http.MethodGet, naming.PathMetrics, http.StatusForbidden},
		{http.MethodHead, naming.PathMetrics, http.StatusForbidden},
		{http.MethodGet, "/%6detrics", http.StatusForbidden},
		{http.MethodGet, "//metrics", http.StatusNotFound},
		{http.MethodGet, "/readyz/../metrics", http.StatusNotFound},
		{http.MethodGet, naming.PathMetrics + "/", http.StatusNotFound},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound},
		{http.MethodGet, "/config_dump", http.StatusNotFound},
		{http.MethodGet, naming.PathAppHealth + "app/livez", http.StatusNotFound},
		{http.MethodGet, naming.PathAppLifecycle + "app/preStop", http.StatusNotFound},
		{http.MethodPost, "/quitquitquit", http.StatusMethodNotAllowed},
		{http.MethodPost, "/shutdown", http.StatusMethodNotAllowed},
		{http.MethodPost, naming.PathLive, http.StatusMethodNotAllowed},
	} {
		if got := a.admin(t, a.stranger, tc.method, tc.path); got != tc.want {
			t.Errorf("%s %s is answered with %d, want %d", tc.method, tc.path, got, tc.want)
		}
	}
	if got := a.admin(t, a.server, http.MethodGet, naming.PathMetrics); got != http.StatusOK {
		t.Errorf("metrics, for the pod itself: %d", got)
	}
}

// admin is the status of a request to the admin port of the server, with all that could pass for being somebody else.
func (a *arena) admin(t *testing.T, from *kubelet.Pod, method, path string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	defer cancel()
	url := "http://" + netip.AddrPortFrom(a.server.Net.IPv4, naming.PortAdmin).String()
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = path
	request.Host = "127.0.0.1"
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Envoy-External-Address"} {
		request.Header.Set(name, "127.0.0.1")
	}
	response, err := httpClient(from, false).Do(request)
	if err != nil {
		t.Error(fmt.Errorf("%s %s: %w", method, path, err))
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
