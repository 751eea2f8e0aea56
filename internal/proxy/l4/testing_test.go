package l4

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxy/http"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/ca"
	"github.com/warifu/warifu/internal/testkit/leak"
)

const (
	cartID = "spiffe://cluster.local/ns/shop/sa/cart"
	payID  = "spiffe://cluster.local/ns/shop/sa/pay"
	// soon is longer than anything takes that a test waits for.
	soon = 20 * time.Second
)

func TestMain(m *testing.M) { leak.Main(m) }

// world is a workload, cart, with its application, and whoever connects to it.
type world struct {
	t        testing.TB
	ca       *ca.CA
	source   *ca.Source
	app      *app
	workload *Workload
	config   *proxyconfig.Config
	inbound  net.Addr
	outbound net.Addr
	lookup   *lookup
	entries  chan telemetry.Entry
	// connections are open; shaken has the reason of the last handshake of each direction.
	connections atomic.Int64
	shaken      sync.Map
	sessions    chan *session
	// shared is a CA to use instead of a new one.
	shared *ca.CA
	// to is the original destination of what is accepted next.
	to atomic.Pointer[netip.AddrPort]
}

// newWorld starts the workload with a configuration that change has been applied to, and stops it after the test.
// Record, Opened, Closed and Handshake make the world the Telemetry of its workload.
func (w *world) Record(e telemetry.Entry) { w.entries <- e }

// Opened counts up.
func (w *world) Opened(telemetry.Direction) { w.connections.Add(1) }

// Closed counts down.
func (w *world) Closed(telemetry.Direction) { w.connections.Add(-1) }

// Handshake keeps the last reason of a direction.
func (w *world) Handshake(d telemetry.Direction, reason string) { w.shaken.Store(d, reason) }

func newWorld(t testing.TB, change func(*world, *Options)) *world {
	t.Helper()
	w := &world{
		t: t, ca: ca.New(t), app: newApp(t), entries: make(chan telemetry.Entry, 100), sessions: make(chan *session, 100),
		lookup: &lookup{answers: map[netip.AddrPort]proxyconfig.Address{}},
	}
	w.config = &proxyconfig.Config{
		Version: proxyconfig.SchemaVersion, Identity: cartID, TrustDomains: []string{"cluster.local"},
		Inbound: proxyconfig.Inbound{Default: proxyconfig.PortMode{Mode: proxyconfig.Strict}},
	}
	options := Options{
		OriginalDestination: func(net.Conn) (netip.AddrPort, error) { return *w.to.Load(), nil },
		Dial: func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", to.String())
		},
		Lookup:    w.lookup,
		OpenHTTP:  w.openHTTP,
		Telemetry: w,
	}
	if change != nil {
		change(w, &options)
	}
	if w.shared != nil {
		w.ca = w.shared
	}
	w.source = w.ca.Source(t, ca.Template(cartID))
	options.Source = w.source
	w.workload = New(options)
	w.set(func(*proxyconfig.Config) {})
	w.goTo(w.app.address)
	w.inbound = w.listen(w.workload.ServeInbound)
	w.outbound = w.listen(w.workload.ServeOutbound)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.workload.Shutdown(ctx)
	})
	return w
}

func (w *world) listen(serve func(net.Listener) error) net.Addr {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		if err := serve(l); err != nil {
			w.t.Errorf("serve: %v", err)
		}
	}()
	return l.Addr()
}

// set changes the configuration and puts it in force.
func (w *world) set(change func(*proxyconfig.Config)) {
	w.t.Helper()
	next := *w.config
	change(&next)
	w.config = &next
	if err := w.workload.SetConfig(&next); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) mode(mode proxyconfig.Mode) {
	w.t.Helper()
	w.set(func(c *proxyconfig.Config) {
		c.Inbound.Default = proxyconfig.PortMode{Mode: mode, DecidedBy: &proxyconfig.ObjectRef{Kind: "PeerAuthentication", Namespace: "shop", Name: "default"}}
	})
}

func (w *world) goTo(to netip.AddrPort) { w.to.Store(&to) }

// dial connects to one of the workload's two listeners.
func (w *world) dial(to net.Addr) *net.TCPConn {
	w.t.Helper()
	conn, err := net.Dial("tcp", to.String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(soon))
	return conn.(*net.TCPConn)
}

// askAt connects and asks. A connection that is reset at once may be so before it counts as connected.
func (w *world) askAt(to net.Addr) string {
	conn, err := net.Dial("tcp", to.String())
	if err != nil {
		return failure(err)
	}
	defer conn.Close()
	return ask(conn)
}

// mesh is the client configuration of another workload's proxy, which expects cart.
func (w *world) mesh(id string) *tls.Config {
	w.t.Helper()
	config := mtls.ClientConfig(w.ca.Source(w.t, ca.Template(id)), mtls.Verifier{Accept: mtls.OneOf(parseID(w.t, cartID))})
	config.NextProtos = []string{"warifu/1"}
	return config
}

// meet connects as a client of the mesh.
func (w *world) meet(id string) *tls.Conn {
	w.t.Helper()
	conn := tls.Client(w.dial(w.inbound), w.mesh(id))
	if err := conn.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// entry is the next that is recorded.
func (w *world) entry() telemetry.Entry {
	w.t.Helper()
	select {
	case e := <-w.entries:
		return e
	case <-time.After(soon):
		w.t.Fatal("nothing was recorded")
		return telemetry.Entry{}
	}
}

// wantEntry checks the next entry.
func (w *world) wantEntry(verdict telemetry.Verdict, reason, detail string) telemetry.Entry {
	w.t.Helper()
	e := w.entry()
	if e.Verdict != verdict || e.Reason != reason || !strings.Contains(e.Detail, detail) {
		w.t.Errorf("recorded %s %s %q, want %s %s %q", e.Verdict, e.Reason, e.Detail, verdict, reason, detail)
	}
	return e
}

// ask sends a line and says what came back: a line, or how it failed.
func ask(conn net.Conn) string {
	if _, err := io.WriteString(conn, "ping\n"); err != nil {
		return failure(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return failure(err)
	}
	return strings.TrimSuffix(line, "\n")
}

// failure is an error in the words that tests compare.
func failure(err error) string {
	var alert *net.OpError
	switch {
	case errors.As(err, &alert) && alert.Op == "remote error":
		return fmt.Sprint("alert ", alert.Err)
	case errors.Is(err, io.EOF):
		return "closed"
	case strings.Contains(err.Error(), "reset by peer"), strings.Contains(err.Error(), "broken pipe"):
		return "reset"
	default:
		return err.Error()
	}
}

// waitFor waits until a condition holds.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(soon); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// lookup answers from a map.
type lookup struct {
	mu      sync.Mutex
	answers map[netip.AddrPort]proxyconfig.Address
	err     error
}

func (l *lookup) Address(_ context.Context, a netip.AddrPort) (proxyconfig.Address, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers[a], l.err
}

func (l *lookup) set(answer proxyconfig.Address, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers[answer.Address], l.err = answer, err
}

// session is a stand-in for package http: a line in, a line with the peer out.
type session struct {
	http.Connection
	rechecked, drained atomic.Int32
}

func (w *world) openHTTP(c http.Connection) Session {
	s := &session{Connection: c}
	w.sessions <- s
	return s
}

func (s *session) Serve(ctx context.Context) error {
	defer s.Conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.Conn.SetDeadline(time.Now()) })
	defer stop()
	reader := bufio.NewReader(s.Conn)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return nil
		}
		if line[0] == 0x16 {
			line = "TLS\n"
		}
		fmt.Fprintf(s.Conn, "http %s %s", s.Peer.Identity, line)
	}
}

func (s *session) Recheck() { s.rechecked.Add(1) }

func (s *session) Drain() {
	s.drained.Add(1)
	_ = s.Conn.SetReadDeadline(time.Now())
}
