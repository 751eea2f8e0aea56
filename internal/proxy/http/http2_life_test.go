package http

import (
	"io"
	"net"
	nethttp "net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/warifu/warifu/internal/authz"
)

// h2Open is an application that answers at once and then says nothing until the test lets it end.
func h2Open(t *testing.T, release chan struct{}) string {
	t.Helper()
	return h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path != "/silent" {
			w.WriteHeader(200)
			_ = nethttp.NewResponseController(w).Flush()
		}
		select {
		case <-release:
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	})
}

// TestHTTP2ClientFinishes: a client that says that it is done, and the application behind it, see an end and no reset, whether
// something was under way or not.
func TestHTTP2ClientFinishes(t *testing.T) {
	ends := make(chan error, 1)
	b := newH2Bed(t, h2RawApp(t, func(conn net.Conn) {
		if r, id := h2Accept(t, conn); id > 0 {
			r.headers(id, true, ":status", "200")
		}
		_, err := io.Copy(io.Discard, conn)
		ends <- err
	}))
	for _, open := range []bool{false, true} {
		r := b.dialRaw().greet()
		r.get(1, "/")
		if out := r.outcome(1); out.status != "200" {
			t.Fatalf("got %+v", out)
		}
		if open {
			r.get(3, "/")
			b.awaitOpen(1)
		}
		_ = r.conn.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, r.conn); err != nil {
			t.Errorf("open %t: the client sees %v", open, err)
		}
		if err := <-ends; err != nil {
			t.Errorf("open %t: the application sees %v", open, err)
		}
	}
}

// TestHTTP2Drain: after Drain the client is told to go elsewhere; what is under way finishes, then the connection ends.
func TestHTTP2Drain(t *testing.T) {
	release := make(chan struct{})
	b := newH2Bed(t, h2Open(t, release))
	r := b.dialRaw().greet()
	r.get(1, "/")
	r.nextRequest() // the head of its answer
	b.each((*Session).Drain)
	b.each((*Session).Drain) // again means nothing
	awaitGoAway := func(last uint32) {
		t.Helper()
		for {
			f, err := r.frames.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch f := f.(type) {
			case *http2.PingFrame:
				if f.Data != drainPing {
					t.Fatalf("got %v", f)
				}
				r.get(3, "/") // was on its way when the client learned it
				_ = r.frames.WritePing(true, f.Data)
			case *http2.GoAwayFrame:
				if f.LastStreamID != last || f.ErrCode != http2.ErrCodeNo {
					t.Fatalf("got %v", f)
				}
				return
			}
		}
	}
	awaitGoAway(h2MaxWindow)
	awaitGoAway(3)
	r.get(5, "/")
	if out := r.outcome(5); out.reset != http2.ErrCodeRefusedStream {
		t.Errorf("a late request: %+v", out)
	}
	close(release)
	done := map[uint32]bool{}
	for len(done) < 2 {
		f, err := r.frames.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := f.(*http2.DataFrame); ok && f.StreamEnded() {
			done[f.StreamID] = true
		}
	}
	if out := r.outcome(0); out.ended != "closed" {
		t.Errorf("the end: %+v", out)
	}
	_ = r.conn.Close()
	if err := <-b.ended; err != nil {
		t.Error(err)
	}
}

// TestHTTP2DrainIdle ends a connection on which nothing is under way.
func TestHTTP2DrainIdle(t *testing.T) {
	b := newH2Bed(t, h2Open(t, nil))
	r := b.dialRaw().greet()
	r.get(1, "/silent")
	_ = r.frames.WriteRSTStream(1, http2.ErrCodeCancel)
	_ = r.frames.WritePing(false, [8]byte{})
	for {
		f, err := r.frames.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := f.(*http2.PingFrame); ok {
			break
		}
	}
	b.each((*Session).Drain)
	if out := r.outcome(0); out.ended != "closed" { // even if the client does not answer the PING
		t.Errorf("got %+v", out)
	}
}

// TestHTTP2Recheck ends the streams that are no longer allowed and no others.
func TestHTTP2Recheck(t *testing.T) {
	release := make(chan struct{})
	b := newH2Bed(t, h2Open(t, release))
	r := b.dialRaw().greet()
	r.get(1, "/keep")
	r.nextRequest()
	r.get(3, "/stop")
	r.nextRequest()
	r.get(5, "/silent")
	b.awaitOpen(3)
	b.policy(func(q authz.Request) authz.Decision {
		return authz.Decision{Allowed: q.HTTP.Path == "/keep", Reason: authz.ReasonDenied}
	})
	b.each((*Session).Recheck)
	stopped, answered := r.outcomes(3, 5)
	if stopped.reset != http2.ErrCodeCancel {
		t.Errorf("a stream with half an answer: %+v", stopped)
	}
	if answered.status != "403" || answered.body != deniedText {
		t.Errorf("a stream without an answer: %+v", answered)
	}
	b.awaitOpen(1)
	close(release)
	if out := r.outcome(1); out.body != "done" {
		t.Errorf("the stream that stays: %+v", out)
	}
	b.awaitOpen(0)
}

// outcomes is the outcome of two streams at the same time.
func (r *h2Raw) outcomes(one, other uint32) (a, b h2Outcome) {
	r.t.Helper()
	a.fields, b.fields = map[string]string{}, map[string]string{}
	for a.ended == "" || b.ended == "" {
		f, err := r.frames.ReadFrame()
		if err != nil {
			r.t.Fatalf("%v after %+v and %+v", err, a, b)
		}
		a.take(f, one)
		b.take(f, other)
	}
	return a, b
}

// awaitOpen waits until so many exchanges are open on all sessions.
func (b *h2Bed) awaitOpen(want int) {
	b.t.Helper()
	n := 0
	for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(time.Millisecond) {
		n = 0
		b.each(func(s *Session) { s.mu.Lock(); n += len(s.open); s.mu.Unlock() })
		if n == want {
			return
		}
	}
	b.t.Fatalf("%d exchanges are open, want %d", n, want)
}

// TestHTTP2ClientLeaves: the application learns that the client's connection is gone.
func TestHTTP2ClientLeaves(t *testing.T) {
	gone := make(chan struct{}, 20)
	b := newH2Bed(t, h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		w.WriteHeader(200)
		_ = nethttp.NewResponseController(w).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	r := b.dialRaw().greet()
	for i := range uint32(20) {
		r.post(2*i + 1)
		r.nextRequest()
	}
	_ = r.conn.Close()
	for range 20 {
		<-gone
	}
	b.awaitOpen(0)
}
