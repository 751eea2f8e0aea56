package http

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/proxy/telemetry"
)

func TestExpectContinue(t *testing.T) {
	r := newRig(t)
	r.send("POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-Continue\r\nContent-Length: 5\r\nX-Request-Id: r\r\n\r\n")
	app := r.accept()
	expect(t, app, "POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-Continue\r\nX-Request-Id: r\r\nContent-Length: 5\r\n\r\n")
	_, _ = io.WriteString(app, "HTTP/1.1 100 Continue\r\n\r\n")
	expect(t, r.client, "HTTP/1.1 100 Continue\r\n\r\n")
	r.send("hello")
	expect(t, app, "hello")
	_, _ = io.WriteString(app, ok)
	expect(t, r.client, ok)
	r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
	expect(t, app, "GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
}

// A client that was told no while it waited to send its body may send it or the next request: nobody can tell.
func TestExpectationNotMet(t *testing.T) {
	r := newRig(t)
	r.send("POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 50\r\nX-Request-Id: r\r\n\r\n")
	app := r.accept()
	expect(t, app, "POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nX-Request-Id: r\r\nContent-Length: 50\r\n\r\n")
	_, _ = io.WriteString(app, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
	expect(t, r.client, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	_, _ = io.WriteString(r.client, "GET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n") // on a slow machine the connection has ended
	expectEnd(t, r.client)
	expectEnd(t, app)
	if e := r.entry(); e.Verdict != telemetry.Allowed || e.Status != 413 {
		t.Errorf("entry %+v", e)
	}
}

// Nothing is taken for the body from the moment at which the client can know the answer, however long that goes on.
func TestExpectationNotMetAtLength(t *testing.T) {
	r := newRig(t)
	r.send("POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 50\r\nX-Request-Id: r\r\n\r\n")
	app := r.accept()
	expect(t, app, "POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nX-Request-Id: r\r\nContent-Length: 50\r\n\r\n")
	_, _ = io.WriteString(app, "HTTP/1.1 413 Too Large\r\nContent-Length: 10\r\n\r\nhello")
	expect(t, r.client, "HTTP/1.1 413 Too Large\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello")
	r.send("GET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n")
	_ = app.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // nothing comes, so there is nothing else to wait for
	if n, err := app.Read(make([]byte, 100)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the application received %d bytes, %v", n, err)
	}
	_, _ = io.WriteString(app, "world")
	expect(t, r.client, "world")
	expectEnd(t, r.client)
	expectEnd(t, app)
}

// Answer and body pass each other, both while they are being made.
func TestBothWaysAtOnce(t *testing.T) {
	r := newRig(t)
	r.send("POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nX-Request-Id: r\r\n\r\n")
	app := r.accept()
	expect(t, app, "POST / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\nTransfer-Encoding: chunked\r\n\r\n")
	_, _ = io.WriteString(app, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	expect(t, r.client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	for range 3 {
		r.send("4\r\nping\r\n")
		expect(t, app, "4\r\nping\r\n")
		_, _ = io.WriteString(app, "4\r\npong\r\n")
		expect(t, r.client, "4\r\npong\r\n")
	}
	_, _ = io.WriteString(app, "0\r\n\r\n")
	expect(t, r.client, "0\r\n\r\n")
	r.send("0\r\n\r\n")
	expect(t, app, "0\r\n\r\n")
	r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
	expect(t, app, "GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
}

// TestBrokenBody: an application must never take half a request for a whole one.
func TestBrokenBody(t *testing.T) {
	const chunks = "POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name, in string
		status   int
	}{
		{"length, then nothing", "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 50\r\n\r\nhello", 0},
		{"chunk, then nothing", chunks + "5\r\nhello\r\n", 0},
		{"half a chunk", chunks + "5\r\nhel", 0},
		{"no number", chunks + "\r\n\r\n", 400},
		{"negative", chunks + "-5\r\nhello\r\n0\r\n\r\n", 400},
		{"prefix", chunks + "0x5\r\nhello\r\n0\r\n\r\n", 400},
		{"space after the size", chunks + "5 \r\nhello\r\n0\r\n\r\n", 400},
		{"too large", chunks + "ffffffffffffffff0\r\n", 400},
		{"negative by overflow", chunks + "8000000000000000\r\n", 400},
		{"bare line feed after the size", chunks + "5\nhello\r\n0\r\n\r\n", 400},
		{"bare line feed in an extension", chunks + "5;a\nhello\r\n0\r\n\r\n", 400},
		{"bare carriage return in an extension", chunks + "5;a\rb\r\nhello\r\n0\r\n\r\n", 400},
		{"long extension", chunks + "5;" + strings.Repeat("a", maxChunkLine) + "\r\nhello\r\n0\r\n\r\n", 400},
		{"chunk longer than its size", chunks + "4\r\nhello\r\n0\r\n\r\n", 400},
		{"chunk ends with a line feed", chunks + "5\r\nhello\n0\r\n\r\n", 400},
		{"bad trailer", chunks + "0\r\nX : a\r\n\r\n", 400},
		{"long trailers", chunks + "0\r\nX: " + strings.Repeat("a", maxTrailers) + "\r\n\r\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			app := r.script(ok)
			_, _ = io.WriteString(r.client, tt.in)
			back := r.finish()
			if got := app(); strings.Contains(got, "\r\n0\r\n") {
				t.Errorf("the application received an end: %q", got)
			}
			e := r.entry()
			if tt.status == 400 && !strings.HasPrefix(back, "HTTP/1.1 400 ") || e.Verdict == telemetry.Allowed {
				t.Errorf("back %q, entry %+v", back, e)
			}
		})
	}
}

// TestBrokenAnswer: a client must never take half an answer for a whole one.
func TestBrokenAnswer(t *testing.T) {
	for name, answer := range map[string]string{
		"length":     "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nConnection: close",
		"chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\nConnection: close\r\n",
		"no chunks":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nConnection: close\r\n",
		"bad chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\nConnection: close\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			app := r.script(answer)
			r.send("GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
			if back := r.finish(); strings.HasSuffix(back, "0\r\n\r\n") || strings.Contains(back, " 502 ") {
				t.Errorf("back %q", back)
			}
			app()
			if e := r.entry(); e.Verdict != telemetry.Failed || e.Status != 200 {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

// A client that went away is noticed while the application thinks.
func TestClientGoesAwayWhileWaiting(t *testing.T) {
	r := newRig(t)
	r.send("GET /slow HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
	app := r.accept()
	expect(t, app, "GET /slow HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
	_ = r.client.Close()
	expectEnd(t, app)
	if e := r.entry(); e.Reason != string(ReasonClientBrokeOff) || e.Status != 0 {
		t.Errorf("entry %+v", e)
	}
}

// What a client sends while the application thinks for long is read ahead, and answered in its turn.
func TestPipelinedWhileWaiting(t *testing.T) {
	r := newRig(t)
	const request = "GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n"
	r.send(request)
	app := r.accept()
	expect(t, app, request)
	time.Sleep(watchAfter + 100*time.Millisecond) // the watch begins by time alone
	r.send(request)
	_, _ = io.WriteString(app, ok)
	expect(t, r.client, ok)
	expect(t, app, request)
	_, _ = io.WriteString(app, ok)
	expect(t, r.client, ok)
}

// TestFlatMemory sends much through a slow reader: what is not taken must not pile up here.
func TestFlatMemory(t *testing.T) {
	const size = 64 << 20
	r := newRig(t)
	r.send("GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
	app := r.accept()
	expect(t, app, "GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n")
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n"
	go func() {
		_, _ = io.WriteString(app, head)
		block := make([]byte, 1<<20)
		for range size / len(block) {
			_, _ = app.Write(block)
		}
	}()
	expect(t, r.client, head)
	got, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.LimitReader(r.client, size)}, make([]byte, 4096))
	if got != size || err != nil {
		t.Fatalf("read %d bytes: %v", got, err)
	}
	runtime.GC()
	runtime.ReadMemStats(&during)
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d bytes more in use after %d passed", grown, size)
	}
}

func TestLargeBodies(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	r := newRig(t)
	r.send("PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1600000\r\nX-Request-Id: r\r\n\r\n")
	go func() { _, _ = r.client.Write(body) }()
	app := r.accept()
	expect(t, app, "PUT / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\nContent-Length: 1600000\r\n\r\n"+string(body))
	go func() {
		_, _ = io.WriteString(app, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186A00\r\n"+string(body)+"\r\n0\r\n\r\n")
	}()
	want := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a00\r\n" + string(body) + "\r\n0\r\n\r\n"
	_ = r.client.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r.client, got); err != nil || !bytes.Equal(got, []byte(want)) {
		t.Errorf("the answer arrived changed: %v, begins %q", err, got[:80])
	}
	if diff := cmp.Diff(0, len(r.recorded())); diff != "" {
		t.Log("the exchange has been recorded")
	}
}
