package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2RawApp is an application that is no HTTP/2 server, or a bad one.
func h2RawApp(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener := h2Listen(t)
	var work sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); work.Wait() })
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			work.Go(func() { defer conn.Close(); serve(conn) })
		}
	})
	return listener.Addr().String()
}

// h2Accept greets a client of a raw application and returns its first request.
func h2Accept(t *testing.T, conn net.Conn) (*h2Raw, uint32) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return nil, 0
	}
	r := newH2Raw(t, conn)
	_ = r.frames.WriteSettings()
	return r, r.nextRequest()
}

func (r *h2Raw) nextRequest() uint32 {
	for {
		f, err := r.frames.ReadFrame()
		if err != nil {
			return 0
		}
		if f, ok := f.(*http2.MetaHeadersFrame); ok {
			return f.StreamID
		}
	}
}

// TestHTTP2BadApplications: whatever the application does, the client gets an answer, and the proxy stays.
func TestHTTP2BadApplications(t *testing.T) {
	answer := func(send func(r *h2Raw, id uint32)) func(net.Conn) {
		return func(conn net.Conn) {
			if r, id := h2Accept(t, conn); id > 0 {
				send(r, id)
				_, _ = io.Copy(io.Discard, conn)
			}
		}
	}
	tests := []struct {
		name  string
		serve func(net.Conn)
		want  string // status, or code of the reset
	}{
		{"closes", func(net.Conn) {}, "502"},
		{"HTTP/1.1", func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}, "502"},
		{"garbage", func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, "502"},
		{"closes after the request", func(c net.Conn) { h2Accept(t, c) }, "502"},
		{"goes away always", func(c net.Conn) {
			if r, _ := h2Accept(t, c); r != nil {
				_ = r.frames.WriteGoAway(0, http2.ErrCodeNo, nil)
			}
		}, http2.ErrCodeRefusedStream.String()},
		{"refuses", answer(func(r *h2Raw, id uint32) { _ = r.frames.WriteRSTStream(id, http2.ErrCodeRefusedStream) }), http2.ErrCodeRefusedStream.String()},
		{"gives up", answer(func(r *h2Raw, id uint32) { _ = r.frames.WriteRSTStream(id, http2.ErrCodeInternal) }), http2.ErrCodeInternal.String()},
		{"body first", answer(func(r *h2Raw, id uint32) { _ = r.frames.WriteData(id, true, []byte("x")) }), "502"},
		{"no status", answer(func(r *h2Raw, id uint32) { r.headers(id, true, "a", "b") }), "502"},
		{"two statuses", answer(func(r *h2Raw, id uint32) { r.headers(id, true, ":status", "200", ":status", "200") }), "502"},
		{"status 101", answer(func(r *h2Raw, id uint32) { r.headers(id, false, ":status", "101") }), "502"},
		{"status abc", answer(func(r *h2Raw, id uint32) { r.headers(id, true, ":status", "abc") }), "502"},
		{"informational end", answer(func(r *h2Raw, id uint32) { r.headers(id, true, ":status", "100") }), "502"},
		{"line break", answer(func(r *h2Raw, id uint32) { r.headers(id, true, ":status", "200", "a", "b\r\nc: d") }), "502"},
		{"enormous", answer(func(r *h2Raw, id uint32) {
			r.sendBlock(id, true, r.encode(":status", "200", "a", strings.Repeat("x", maxHead/2), "b", strings.Repeat("x", maxHead/2)))
		}), "502"},
		{"many informational", answer(func(r *h2Raw, id uint32) {
			for range 100_000 {
				r.headers(id, false, ":status", "103")
			}
			r.headers(id, true, ":status", "200")
		}), ""},
		{"pushes", answer(func(r *h2Raw, id uint32) {
			_ = r.frames.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, BlockFragment: r.encode(":method", "GET"), EndHeaders: true})
		}), "502"},
		{"breaks off", answer(func(r *h2Raw, id uint32) { r.headers(id, false, ":status", "200"); _ = r.conn.Close() }), http2.ErrCodeInternal.String()},
		{"broken trailers", answer(func(r *h2Raw, id uint32) {
			r.headers(id, false, ":status", "200")
			r.headers(id, true, ":status", "200")
		}), http2.ErrCodeInternal.String()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newH2Bed(t, h2RawApp(t, test.serve)).dialRaw().greet()
			defer r.conn.Close()
			r.get(1, "/")
			out := r.outcome(1)
			got := out.status
			if out.ended == "reset" {
				got = out.reset.String()
			}
			if test.want != "" && got != test.want || out.ended == "closed" || out.ended == "goaway" {
				t.Errorf("got %s, %.200v", got, out)
			}
		})
	}
}

// TestHTTP2ConnectionHeadersOfAnswers are left out.
func TestHTTP2ConnectionHeadersOfAnswers(t *testing.T) {
	r := newH2Bed(t, h2RawApp(t, func(conn net.Conn) {
		app, id := h2Accept(t, conn)
		app.headers(id, true, ":status", "200", "connection", "keep-alive", "transfer-encoding", "chunked", "a", "b")
		_, _ = io.Copy(io.Discard, conn)
	})).dialRaw().greet()
	r.get(1, "/")
	if out := r.outcome(1); out.status != "200" || len(out.fields) != 2 || out.fields["a"] != "b" {
		t.Errorf("got %+v", out)
	}
}

// TestHTTP2ApplicationRestarts: what comes after a restart is served, on the same connection of the client.
func TestHTTP2ApplicationRestarts(t *testing.T) {
	handler := func(name string) *nethttp.Server {
		return &nethttp.Server{Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = io.WriteString(w, name) })}
	}
	address, first := h2AppServer(t, handler("first"))
	b := newH2Bed(t, address)
	r := b.dialRaw().greet()
	ask := func(id uint32) string {
		r.get(id, "/")
		return r.outcome(id).body
	}
	if got := ask(1); got != "first" {
		t.Fatalf("got %q", got)
	}
	if err := first.Shutdown(t.Context()); err != nil { // with GOAWAY
		t.Fatal(err)
	}
	address, second := h2AppServer(t, handler("second"))
	b.app.Store(&address)
	if got := ask(3); got != "second" {
		t.Errorf("got %q", got)
	}
	address, _ = h2AppServer(t, handler("third"))
	b.app.Store(&address)
	_ = second.Close() // without
	got, id := "", uint32(5)
	for got = ask(id); strings.HasPrefix(got, "the application"); got = ask(id) { // until the proxy knows of the end
		id += 2
	}
	if got != "third" {
		t.Errorf("got %q", got)
	}
}

// TestHTTP2ApplicationGoesAway: a graceful end of the application's connection loses nothing.
func TestHTTP2ApplicationGoesAway(t *testing.T) {
	var connections atomic.Int32
	app := h2RawApp(t, func(conn net.Conn) {
		n := connections.Add(1)
		r, id := h2Accept(t, conn)
		if n == 1 {
			_ = r.frames.WriteGoAway(id, http2.ErrCodeNo, nil)
			_ = r.frames.WritePing(false, [8]byte{1}) // the answer comes after what was sent before GOAWAY arrived
			for {
				f, err := r.frames.ReadFrame()
				if err != nil {
					return
				}
				if ping, ok := f.(*http2.PingFrame); ok && ping.IsAck() {
					break
				}
			}
		}
		r.headers(id, true, ":status", fmt.Sprint(200+n))
		_, _ = io.Copy(io.Discard, conn)
	})
	r := newH2Bed(t, app).dialRaw().greet()
	r.get(1, "/")
	if out := r.outcome(1); out.status != "201" {
		t.Errorf("the stream that was taken: %+v", out)
	}
	r.get(3, "/")
	if out := r.outcome(3); out.status != "202" {
		t.Errorf("the stream after it: %+v", out)
	}
}

// TestHTTP2ApplicationLimit: an application that takes one stream at a time gets one at a time, and the client is told.
func TestHTTP2ApplicationLimit(t *testing.T) {
	var now, most atomic.Int32
	app, _ := h2AppServer(t, &nethttp.Server{
		HTTP2: &nethttp.HTTP2Config{MaxConcurrentStreams: 1},
		Handler: nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			now.Add(-1)
		}),
	})
	r := newH2Bed(t, app).dialRaw().greet()
	for i := range 50 {
		r.post(uint32(2*i + 1))
		_ = r.frames.WriteData(uint32(2*i+1), true, []byte("x"))
	}
	answers, limit := 0, uint32(0)
	for answers < 50 || limit != 1 {
		f, err := r.frames.ReadFrame()
		if err != nil {
			t.Fatalf("after %d answers: %v", answers, err)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if f.PseudoValue("status") != "200" {
				t.Fatalf("got %v", f)
			}
			answers++
		case *http2.SettingsFrame:
			if value, ok := f.Value(http2.SettingMaxConcurrentStreams); ok {
				limit = value
			}
		}
	}
	if most.Load() != 1 {
		t.Errorf("%d at one time", most.Load())
	}
}

// TestHTTP2Resets pass in both directions.
func TestHTTP2Resets(t *testing.T) {
	gone := make(chan error, 1)
	b := newH2Bed(t, h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/panic" {
			panic(nethttp.ErrAbortHandler)
		}
		w.WriteHeader(200)
		_ = nethttp.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- context.Cause(r.Context())
	}))
	r := b.dialRaw().greet()
	r.get(1, "/panic")
	if out := r.outcome(1); out.reset != http2.ErrCodeInternal {
		t.Errorf("the application's: %+v", out)
	}
	r.get(3, "/")
	r.nextRequest() // its answer
	_ = r.frames.WriteRSTStream(3, http2.ErrCodeCancel)
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the client's: %v", err)
	}
	client := h2Client(t)
	response, err := client.Get("http://" + b.address)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	_ = <-gone
}

// TestHTTP2Sensitive: what must not be in a table stays out of it on the way on.
func TestHTTP2Sensitive(t *testing.T) {
	seen := make(chan []hpack.HeaderField, 1)
	r := newH2Bed(t, h2RawApp(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		app := newH2Raw(t, conn)
		_ = app.frames.WriteSettings()
		for {
			f, err := app.frames.ReadFrame()
			if err != nil {
				return
			}
			if f, ok := f.(*http2.MetaHeadersFrame); ok {
				seen <- f.Fields
				app.headers(f.StreamID, true, ":status", "200")
			}
		}
	})).dialRaw().greet()
	block := append([]byte(nil), r.encode(":method", "GET", ":scheme", "http", ":authority", "app", ":path", "/", "open", "x")...)
	r.block.bytes = nil
	_ = r.encoder.WriteField(hpack.HeaderField{Name: "authorization", Value: "secret", Sensitive: true})
	r.sendBlock(1, true, append(block, r.block.bytes...))
	for _, f := range <-seen {
		if secret := f.Name == "authorization"; f.Sensitive != secret {
			t.Errorf("%v", f)
		}
	}
}
