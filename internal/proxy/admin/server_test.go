package admin

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
)

func TestHealth(t *testing.T) {
	for _, test := range []struct {
		lacks  error
		path   string
		status int
		body   string
	}{
		{nil, naming.PathReady, 200, "ok\n"},
		{nil, naming.PathLive, 200, "ok\n"},
		{nil, naming.PathRedirect, 200, naming.RedirectProof},
		{errors.New("no configuration yet"), naming.PathReady, 503, "no configuration yet\n"},
		{errors.New("no configuration yet"), naming.PathLive, 200, "ok\n"},
	} {
		o := options()
		o.Ready = func() error { return test.lacks }
		if status, body := get(t, "http://"+start(t, o)+test.path); status != test.status || body != test.body {
			t.Errorf("%s while %v: %d %q", test.path, test.lacks, status, body)
		}
	}
}

func TestNothingElseIsExposed(t *testing.T) {
	address := start(t, options(appHealth("app/readyz", httpProbe(1, "/"))))
	for _, path := range []string{
		"/", "/shutdown", "/quitquitquit", "/debug/pprof/", "/debug/vars", "/config", "/config_dump", "/stats",
		"/app-health/", "/app-health/app/livez", "/app-health/app/readyz/", "/app-health//app/readyz", "/x/../metrics", "/metrics/", "//metrics",
	} {
		if status, _ := get(t, "http://"+address+path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// TestRequestsThatAreRefused is answered before anything else, and ends the connection.
func TestRequestsThatAreRefused(t *testing.T) {
	address := start(t, options())
	for request, want := range map[string]string{
		"POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n":                        "405",
		"DELETE /readyz HTTP/1.1\r\nHost: x\r\n\r\n":                                           "405",
		"CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n":                                      "405",
		"GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n":                   "400",
		"GET /readyz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n":                "400",
		"GET /readyz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2*maxHead) + "\r\n\r\n": "431",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n":                                 "400",
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, request) // may be cut off
		line, _ := bufio.NewReader(conn).ReadString('\n')
		contains(t, request[:min(40, len(request))], line, " "+want+" ")
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%.40q: the connection stays open", request)
		}
		_ = conn.Close()
	}
}

func TestMetricsAreForTheListed(t *testing.T) {
	o := options()
	o.Addresses = append(o.Addresses, netip.MustParseAddr("10.1.0.5"), netip.MustParseAddr("fd00::5"))
	o.MetricsFrom = func() []netip.Prefix {
		return []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16"), netip.MustParsePrefix("fd01::/64")}
	}
	s := New(o)
	for remote, want := range map[string]int{
		"10.1.0.5:1":          200, // the pod itself
		"[fd00::5]:1":         200,
		"127.0.0.1:1":         200,
		"[::1]:1":             200,
		"10.2.3.4:1":          200, // listed
		"[::ffff:10.2.3.4]:1": 200,
		"[fd01::7]:1":         200,
		"[fd01::7%eth0]:1":    200,
		"10.3.0.1:1":          403,
		"[fd01:0:0:1::7]:1":   403,
		"10.1.0.6:1":          403,
		"[::ffff:10.3.0.1]:1": 403,
		"":                    403,
		"10.2.3.4":            403,
	} {
		w := httptest.NewRecorder()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, naming.PathMetrics, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.RemoteAddr = remote
		// What a caller says of itself is of no weight.
		r.Header.Set("X-Forwarded-For", "10.1.0.5")
		r.Header.Set("Forwarded", "for=10.1.0.5")
		s.ServeHTTP(w, r)
		if w.Code != want || want == 403 && strings.Contains(w.Body.String(), "up 1") {
			t.Errorf("%s: %d %q, want %d", remote, w.Code, w.Body, want)
		}
	}
	if status, body := get(t, "http://"+start(t, o)+naming.PathMetrics); status != 200 || body != "up 1\n" {
		t.Errorf("over a socket: %d %q", status, body)
	}
}

// TestFullPortStaysOpenToOthers: who takes all the connections that an address may have does not keep others out.
func TestFullPortStaysOpenToOthers(t *testing.T) {
	address := start(t, options())
	for range maxConnectionsOfAddress {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			t.Fatal(line, err)
		}
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
		t.Errorf("one connection more than an address may have is answered: %q", line)
	}
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.3")}}
	conn, err = other.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	contains(t, "another address", line, "200")
}

func TestPlacesAreGivenBack(t *testing.T) {
	l := newLimited(nil)
	address := netip.MustParseAddr(podIP)
	for range 3 * maxConnectionsOfAddress {
		if !l.take(address) {
			t.Fatal("no place")
		}
		l.release(address)
	}
	if len(l.from) != 0 || l.all != 0 {
		t.Errorf("%d connections of %v are left", l.all, l.from)
	}
}
