package http

import (
	"context"
	"errors"
	"net"
	nethttp "net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// h2Bed is a proxy between real sockets: what is dialled at address is served by sessions that dial the application.
type h2Bed struct {
	t       testing.TB
	server  *Server
	address string
	app     atomic.Pointer[string]
	decide  atomic.Pointer[func(authz.Request) authz.Decision]
	// peer is who every client is.
	peer authz.Peer

	mu       sync.Mutex
	sessions []*Session
	entries  []telemetry.Entry
	ended    chan error
}

func newH2Bed(t testing.TB, application string) *h2Bed {
	t.Helper()
	b := &h2Bed{t: t, ended: make(chan error, 100), peer: authz.Peer{Address: netip.MustParseAddr("127.0.0.1")}}
	b.app.Store(&application)
	b.policy(func(authz.Request) authz.Decision { return authz.Decision{Allowed: true, Rule: authz.NoRule} })
	b.server = NewServer(Options{
		Identity: "spiffe://cluster.local/ns/b/sa/server",
		Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", *b.app.Load())
		},
		Decide: func(r authz.Request) authz.Decision { return (*b.decide.Load())(r) },
	})
	b.server.record = func(e telemetry.Entry) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.entries = append(b.entries, e)
	}
	listener := h2Listen(t)
	b.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		work.Wait() // a session that does not end hangs the test
	})
	work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			session := b.server.Open(Connection{Conn: conn, Peer: b.peer})
			b.mu.Lock()
			b.sessions = append(b.sessions, session)
			b.mu.Unlock()
			work.Go(func() {
				select {
				case b.ended <- session.Serve(ctx):
				default:
				}
			})
		}
	})
	return b
}

func (b *h2Bed) policy(decide func(authz.Request) authz.Decision) { b.decide.Store(&decide) }

func (b *h2Bed) each(f func(*Session)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sessions {
		f(s)
	}
}

func h2Listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// h2App serves a handler by HTTP/2 without TLS and returns its address.
func h2App(t testing.TB, handler nethttp.HandlerFunc) string {
	t.Helper()
	address, _ := h2AppServer(t, &nethttp.Server{Handler: handler})
	return address
}

func h2AppServer(t testing.TB, server *nethttp.Server) (string, *nethttp.Server) {
	t.Helper()
	server.Protocols = new(nethttp.Protocols)
	server.Protocols.SetUnencryptedHTTP2(true)
	listener := h2Listen(t)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String(), server
}

func h2Client(t testing.TB) *nethttp.Client {
	t.Helper()
	transport := &nethttp.Transport{Protocols: new(nethttp.Protocols), DisableCompression: true}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &nethttp.Client{Transport: transport, Timeout: time.Minute}
}

// h2Raw is a client that says exactly what a test wants, whether it is allowed or not.
type h2Raw struct {
	t       testing.TB
	conn    net.Conn
	frames  *http2.Framer
	block   h2Frames
	encoder *hpack.Encoder
}

func (b *h2Bed) dialRaw() *h2Raw {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a test that hangs fails
	return newH2Raw(b.t, conn)
}

func newH2Raw(t testing.TB, conn net.Conn) *h2Raw {
	r := &h2Raw{t: t, conn: conn, frames: http2.NewFramer(conn, conn)}
	r.frames.AllowIllegalWrites = true
	r.frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.encoder = hpack.NewEncoder(&r.block)
	return r
}

// greet sends preface and SETTINGS.
func (r *h2Raw) greet(settings ...http2.Setting) *h2Raw {
	_, _ = r.conn.Write([]byte(http2.ClientPreface))
	_ = r.frames.WriteSettings(settings...)
	return r
}

// encode makes a header block of pairs of name and value.
func (r *h2Raw) encode(pairs ...string) []byte {
	r.block.bytes = nil
	for i := 0; i < len(pairs); i += 2 {
		_ = r.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return r.block.bytes
}

func (r *h2Raw) headers(id uint32, end bool, pairs ...string) {
	_ = r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: end, EndHeaders: true, BlockFragment: r.encode(pairs...)})
}

// get asks for a path, in the way that everybody does, with more fields.
func (r *h2Raw) get(id uint32, path string, more ...string) {
	r.headers(id, true, append([]string{":method", "GET", ":scheme", "http", ":authority", "app", ":path", path}, more...)...)
}

func (r *h2Raw) post(id uint32, more ...string) {
	r.headers(id, false, append([]string{":method", "POST", ":scheme", "http", ":authority", "app", ":path", "/"}, more...)...)
}

// h2Outcome is how a stream ended, or the connection before it did.
type h2Outcome struct {
	status string
	reset  http2.ErrCode
	goAway http2.ErrCode
	ended  string // answer, reset, goaway or closed
	fields map[string]string
	body   string
}

// outcome reads until the stream has ended, or the connection.
func (r *h2Raw) outcome(id uint32) (out h2Outcome) {
	r.t.Helper()
	out.fields = map[string]string{}
	for {
		f, err := r.frames.ReadFrame()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				r.t.Fatal("nothing happened")
			}
			if out.ended == "" {
				out.ended = "closed"
			}
			return out
		}
		if goAway, ok := f.(*http2.GoAwayFrame); ok && goAway.ErrCode != http2.ErrCodeNo {
			out.ended, out.goAway = "goaway", goAway.ErrCode
			return out
		}
		if out.take(f, id) {
			return out
		}
	}
}

func (out *h2Outcome) take(f http2.Frame, id uint32) (ended bool) {
	if f.Header().StreamID != id || id == 0 {
		return false
	}
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		for _, field := range f.Fields {
			out.fields[field.Name] = field.Value
		}
		out.status = out.fields[":status"]
		ended = f.StreamEnded()
	case *http2.DataFrame:
		out.body += string(f.Data())
		ended = f.StreamEnded()
	case *http2.RSTStreamFrame:
		out.ended, out.reset = "reset", f.ErrCode
		return true
	}
	if ended {
		out.ended = "answer"
	}
	return ended
}
