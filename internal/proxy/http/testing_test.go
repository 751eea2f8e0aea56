package http

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	nethttp "net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// Identities of the cast.
const (
	shop     = "spiffe://cluster.local/ns/shop/sa/cart"
	frontend = "spiffe://cluster.local/ns/web/sa/frontend"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// rig is a session between a client and an application that the test plays.
type rig struct {
	t       testing.TB
	client  *net.TCPConn
	app     net.Listener
	session *Session
	served  chan error
	stop    context.CancelFunc

	mu      sync.Mutex
	entries []telemetry.Entry
	asked   []authz.HTTP
	policy  func(authz.Request) authz.Decision
}

type rigOption func(*rig, *Options, *Connection)

// deciding sets the first policy.
func deciding(policy func(authz.Request) authz.Decision) rigOption {
	return func(r *rig, _ *Options, _ *Connection) { r.policy = policy }
}

func allowAll(authz.Request) authz.Decision {
	return authz.Decision{Allowed: true, Rule: authz.NoRule, Reason: authz.ReasonNoPolicy}
}

func denyAll(authz.Request) authz.Decision {
	return authz.Decision{Rule: authz.NoRule, Reason: authz.ReasonNoAllowMatched}
}

// denyPath denies one path.
func denyPath(path string) func(authz.Request) authz.Decision {
	return func(r authz.Request) authz.Decision {
		if r.HTTP.Path == path {
			return denyAll(r)
		}
		return allowAll(r)
	}
}

func newRig(t testing.TB, options ...rigOption) *rig {
	t.Helper()
	client, server := tcpPair(t)
	r := &rig{t: t, client: client, app: listen(t), served: make(chan error, 1), policy: allowAll}
	o := Options{
		Identity: shop,
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", r.app.Addr().String())
		},
		Decide: r.decide,
	}
	c := Connection{Conn: server, Peer: authz.Peer{Address: netip.MustParseAddr("10.0.0.7")}, Destination: netip.MustParseAddrPort("10.1.0.9:8080")}
	for _, option := range options {
		option(r, &o, &c)
	}
	srv := NewServer(o)
	srv.record = func(e telemetry.Entry) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.entries) < 1000 {
			r.entries = append(r.entries, e)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop, r.session = cancel, srv.Open(c)
	go func() { r.served <- r.session.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		_ = client.Close()
		r.wait()
	})
	return r
}

func (r *rig) decide(q authz.Request) authz.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, *q.HTTP)
	return r.policy(q)
}

// change replaces the policy and has the session look at it.
func (r *rig) change(policy func(authz.Request) authz.Decision) {
	r.mu.Lock()
	r.policy = policy
	r.mu.Unlock()
	r.session.Recheck()
}

// wait waits until the session has ended, as it must once client or context have.
func (r *rig) wait() {
	r.t.Helper()
	select {
	case err := <-r.served:
		r.served <- err
	case <-time.After(patience):
		r.t.Fatal("the session does not end")
	}
}

// recorded are the entries of telemetry so far.
func (r *rig) recorded() []telemetry.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]telemetry.Entry(nil), r.entries...)
}

// entry waits for the session's end, and for exactly one entry.
func (r *rig) entry() telemetry.Entry {
	r.t.Helper()
	r.wait()
	all := r.recorded()
	if len(all) != 1 {
		r.t.Fatalf("%d entries, want 1: %+v", len(all), all)
	}
	return all[0]
}

// send writes to the session as its client.
func (r *rig) send(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r.client, text); err != nil {
		r.t.Fatal(err)
	}
}

// accept waits for the session to connect to the application.
func (r *rig) accept() *net.TCPConn {
	r.t.Helper()
	_ = r.app.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := r.app.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// expect reads exactly a text.
func expect(t testing.TB, conn net.Conn, want string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	n, err := io.ReadFull(conn, got)
	if string(got[:n]) != want {
		t.Fatalf("read %q (%v), want %q", got[:n], err, want)
	}
}

// expectEnd wants the connection to end, in whichever way, without another byte.
func expectEnd(t testing.TB, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	rest, err := io.ReadAll(conn)
	if len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %q (%v), want the end", rest, err)
	}
}

// finish sends no more and reads all that comes back.
func (r *rig) finish() string {
	r.t.Helper()
	_ = r.client.CloseWrite()
	_ = r.client.SetReadDeadline(time.Now().Add(patience))
	back, err := io.ReadAll(r.client)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Fatalf("the connection does not end after %q", back)
	}
	return string(back)
}

// script plays an application that gives one answer after the other, on however many connections. Where an answer is "",
// the connection is closed in its place. What it was sent is returned by the function, after the session's end.
func (r *rig) script(answers ...string) func() string {
	var mu sync.Mutex
	var got bytes.Buffer
	var all sync.WaitGroup
	serve := func(conn net.Conn) {
		defer conn.Close()
		in := bufio.NewReader(io.TeeReader(conn, lockedWriter{&mu, &got}))
		for {
			request, err := nethttp.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, request.Body)
			mu.Lock()
			answer := ""
			if len(answers) > 0 {
				answer, answers = answers[0], answers[1:]
			}
			mu.Unlock()
			if _, err := io.WriteString(conn, answer); err != nil || answer == "" || strings.Contains(answer, "Connection: close") {
				return
			}
		}
	}
	all.Go(func() {
		for {
			conn, err := r.app.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serve(conn) })
		}
	})
	return func() string {
		r.t.Helper()
		r.wait()
		_ = r.app.Close()
		all.Wait()
		return got.String()
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// tcpPair is a connection over loopback, both ends of it.
func tcpPair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l := listen(t)
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), s.(*net.TCPConn)
}
