package http

import (
	"io"
	nethttp "net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// TestHTTP1ApplicationLeaves: a client that has been served is not told that the application has gone, but loses its connection,
// as it would without a proxy. It asks again on another one; what must not be asked twice is answered.
func TestHTTP1ApplicationLeaves(t *testing.T) {
	for method, want := range map[string]string{
		nethttp.MethodGet:  "",
		nethttp.MethodPost: ownAnswer("503 Service Unavailable", "the application does not accept connections", "r", false),
	} {
		t.Run(method, func(t *testing.T) {
			r := newRig(t)
			r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 1\r\n\r\n")
			app := r.accept()
			expect(t, app, "GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: 1\r\n\r\n")
			_, _ = io.WriteString(app, ok)
			expect(t, r.client, ok)
			_ = r.app.Close()
			_ = app.Close()
			r.send(method + " / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
			if diff := cmp.Diff(want, r.finish()); diff != "" {
				t.Errorf("back (-want +got):\n%s", diff)
			}
			r.wait()
			if e := r.recorded()[1]; e.Verdict != telemetry.Failed || e.Reason != string(ReasonUnreachable) {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

// TestHTTP2ApplicationLeaves: nor is one of HTTP/2, whose requests are given back, with the advice to connect again.
func TestHTTP2ApplicationLeaves(t *testing.T) {
	listener := h2Listen(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = listener.Close()
		if app, id := h2Accept(t, conn); id > 0 {
			_ = app.frames.WriteGoAway(id, http2.ErrCodeNo, nil) // before the answer, so that the proxy knows when the client has that
			app.headers(id, true, ":status", "200")
			app.nextRequest() // none comes
		}
	}()
	t.Cleanup(func() { <-ended })
	b := newH2Bed(t, listener.Addr().String())
	r := b.dialRaw().greet()
	r.get(1, "/")
	if out := r.outcome(1); out.status != "200" {
		t.Fatalf("while the application is there: %+v", out)
	}
	r.get(3, "/")
	if out := r.outcome(3); out.reset != http2.ErrCodeRefusedStream || out.status != "" {
		t.Errorf("when it has gone: %+v", out)
	}
	if out := r.outcome(5); out.ended != "closed" {
		t.Errorf("the connection goes on: %+v", out)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.entries[len(b.entries)-1]; e.Reason != string(ReasonUnreachable) || !strings.Contains(e.Detail, "does not accept connections") {
		t.Errorf("entry %+v", e)
	}
}
