package http

import (
	"context"
	"io"
	"net"
	nethttp "net/http"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/warifu/warifu/internal/authz"
)

// FuzzHTTP2 sends anything behind preface and SETTINGS, as a client and as an application: nothing panics, nothing hangs, and
// no exchange stays open.
func FuzzHTTP2(f *testing.F) {
	var seed h2Frames
	r := newH2Raw(f, nil)
	r.frames = http2.NewFramer(&seed, nil)
	r.frames.AllowIllegalWrites = true
	add := func(asApp bool, send func()) {
		seed.bytes = nil
		_ = r.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
		send()
		f.Add(append([]byte(nil), seed.bytes...), asApp)
	}
	add(false, func() { r.get(1, "/"); _ = r.frames.WriteWindowUpdate(1, 100); r.get(3, "/", "te", "trailers") })
	add(false, func() {
		r.post(1, "content-length", "3")
		_ = r.frames.WriteDataPadded(1, true, []byte("abc"), []byte{0, 0})
		_ = r.frames.WriteRSTStream(1, http2.ErrCodeCancel)
		_ = r.frames.WritePing(false, [8]byte{1})
	})
	add(false, func() { r.post(1); r.headers(1, true, "x-sum", "1"); _ = r.frames.WriteGoAway(0, 0, nil) })
	add(true, func() {
		r.headers(1, false, ":status", "103")
		r.headers(1, false, ":status", "200", "a", "b")
		_ = r.frames.WriteData(1, false, []byte("body"))
		r.headers(1, true, "grpc-status", "0")
	})
	add(true, func() { _ = r.frames.WriteGoAway(0, 0, nil); _ = r.frames.WriteRSTStream(1, http2.ErrCodeNo) })
	f.Fuzz(func(t *testing.T, frames []byte, asApp bool) {
		if asApp {
			fuzzH2App(t, frames)
		} else {
			fuzzH2Client(t, frames)
		}
	})
}

// fuzzH2 serves a connection whose other end it returns.
func fuzzH2(t *testing.T, app func(net.Conn)) (net.Conn, *Session, chan struct{}) {
	client, server := net.Pipe()
	dial := func(context.Context, netip.AddrPort) (net.Conn, error) {
		here, there := net.Pipe()
		go app(there)
		return here, nil
	}
	session := NewServer(Options{Dial: dial, Decide: func(authz.Request) authz.Decision { return authz.Decision{Allowed: true} }}).
		Open(Connection{Conn: server, Peer: authz.Peer{}})
	done := make(chan struct{})
	go func() { defer close(done); _ = session.Serve(t.Context()) }()
	return client, session, done
}

func fuzzH2Client(t *testing.T, frames []byte) {
	client, session, done := fuzzH2(t, serveFuzz)
	go func() { _, _ = io.Copy(io.Discard, client) }()
	_, _ = client.Write(append([]byte(http2.ClientPreface), frames...))
	_ = client.Close()
	awaitFuzz(t, session, done)
}

// serveFuzz answers every request in full.
func serveFuzz(conn net.Conn) {
	//nolint:staticcheck // http.Server takes listeners, and this is one connection
	(&http2.Server{}).ServeConn(conn, &http2.ServeConnOpts{Handler: nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(w, r.Body)
	})})
}

func fuzzH2App(t *testing.T, frames []byte) {
	client, session, done := fuzzH2(t, func(conn net.Conn) {
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		_, _ = conn.Write(frames)
	})
	go func() { _, _ = io.Copy(io.Discard, client) }()
	r := newH2Raw(t, client).greet()
	r.post(1)
	_ = r.frames.WriteData(1, true, make([]byte, 100))
	for begun := time.Now(); session.opens() && time.Since(begun) < 10*time.Second; time.Sleep(100 * time.Microsecond) {
	}
	_ = client.Close()
	awaitFuzz(t, session, done)
}

func (s *Session) opens() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) > 0
}

func awaitFuzz(t *testing.T, session *Session, done chan struct{}) {
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the session does not end")
	}
	if session.opens() {
		t.Error("an exchange is still open")
	}
}
