package http

import (
	"bytes"
	"context"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// through is net/http's client, behind a server of ours, in front of net/http's server.
func through(t testing.TB, handler nethttp.Handler, options Options) *nethttp.Client {
	t.Helper()
	app := httptest.NewServer(handler)
	t.Cleanup(app.Close)
	options.Identity = shop
	options.Dial = func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", app.Listener.Addr().String())
	}
	if options.Decide == nil {
		options.Decide = allowAll
	}
	srv, l := NewServer(options), listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = srv.Open(Connection{Conn: conn}).Serve(ctx) }()
		}
	}()
	transport := &nethttp.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &nethttp.Client{Transport: transport}
}

// TestAgainstNetHTTP sends requests of all shapes, many on one connection, and has both ends tell what they saw.
func TestAgainstNetHTTP(t *testing.T) {
	client := through(t, nethttp.HandlerFunc(echo), Options{})
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		for _, size := range []int{0, 1, 100, 5_000, 300_000} {
			for _, shape := range []string{"sized", "chunked", "trailers", "204", "304", "close", "hints"} {
				name := method + " " + strconv.Itoa(size) + " " + shape
				body := strings.Repeat("x", size)
				request, err := nethttp.NewRequestWithContext(t.Context(), method, "http://shop.example:8080/a%20b/?q=1&r=%2F", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("X-Shape", shape)
				if shape != "sized" {
					request.ContentLength = -1
				}
				if shape == "trailers" {
					request.Trailer = nethttp.Header{"X-Sum": {"7"}}
				}
				checkEcho(t, client, name, request, body)
			}
		}
	}
}

func checkEcho(t *testing.T, client *nethttp.Client, name string, request *nethttp.Request, body string) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	shape := request.Header.Get("X-Shape")
	if shape == "204" || shape == "304" || request.Method == nethttp.MethodHead {
		body = ""
	}
	if body != string(got) {
		t.Errorf("%s: %d bytes came back, want %d", name, len(got), len(body))
	}
	want := request.Method + " shop.example:8080 /a%20b/?q=1&r=%2F"
	if diff := cmp.Diff(want, response.Header.Get("X-Seen")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	// net/http's client sends no trailers where it finds the body empty.
	if shape == "trailers" && request.Method != nethttp.MethodHead && body != "" && response.Trailer.Get("X-Seen-Sum") != request.Trailer.Get("X-Sum") {
		t.Errorf("%s: trailers %v", name, response.Trailer)
	}
}

func echo(w nethttp.ResponseWriter, r *nethttp.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		nethttp.Error(w, err.Error(), nethttp.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("X-Seen", r.Method+" "+r.Host+" "+r.RequestURI)
	switch r.Header.Get("X-Shape") {
	case "204":
		w.WriteHeader(nethttp.StatusNoContent)
		return
	case "304":
		w.WriteHeader(nethttp.StatusNotModified)
		return
	case "sized":
		h.Set("Content-Length", strconv.Itoa(len(body)))
	case "trailers":
		h.Set("Trailer", "X-Seen-Sum")
		defer h.Set("X-Seen-Sum", r.Trailer.Get("X-Sum"))
	case "close":
		h.Set("Connection", "close")
	case "hints":
		h.Set("Link", "</style.css>")
		w.WriteHeader(nethttp.StatusEarlyHints)
	}
	w.WriteHeader(nethttp.StatusOK)
	if f, ok := w.(nethttp.Flusher); ok && r.Header.Get("X-Shape") != "sized" {
		f.Flush()
	}
	_, _ = io.Copy(w, bytes.NewReader(body))
}
