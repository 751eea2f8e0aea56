package l4

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/proxy/sniff"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// TestTooManyHandshakes: who finds no place waits, and is refused when its time is over; a place becomes free again.
func TestTooManyHandshakes(t *testing.T) {
	w := newWorld(t, func(_ *world, o *Options) {
		o.Limits = Limits{Handshakes: 1, Handshake: 200 * time.Millisecond}
	})
	w.workload.handshakes <- struct{}{}
	if got := w.begin(client{config: presenting("warifu/1", nil, payID)}); got == served {
		t.Errorf("got %q without a place", got)
	}
	w.wantEntry(telemetry.Refused, string(ReasonTooManyHandshakes), "1 handshakes")
	<-w.workload.handshakes
	for range 3 {
		if got := w.begin(client{config: presenting("warifu/1", nil, payID)}); got != served {
			t.Errorf("got %q with a place", got)
		}
	}
}

// TestStalledHandshake: who begins a handshake and does not go on has no place.
func TestStalledHandshake(t *testing.T) {
	w := newWorld(t, func(_ *world, o *Options) {
		o.Limits = Limits{Handshakes: 1, Handshake: time.Hour}
	})
	stalled, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error)
	config := w.mesh(payID)
	verify := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		close(stalled) // the server has said all that it has to say, and waits
		<-goOn
		return verify(state)
	}
	go func() { done <- tls.Client(w.dial(w.inbound), config).Handshake() }()
	<-stalled
	if got := w.begin(client{config: presenting("warifu/1", nil, payID)}); got != served {
		t.Errorf("got %q while another handshake waits", got)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("who goes on late: %v", err)
	}
}

// TestPausingReader: crypto/tls gives close_notify five seconds and then nothing more; neither holds on a pumped connection,
// where a reader may pause for as long as it likes.
func TestPausingReader(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	w, err := newWire(sniff.NewConn(conn))
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Second)
	_ = w.SetWriteDeadline(past)
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("a deadline of the handshake does not hold")
	}
	_ = w.SetWriteDeadline(time.Time{})
	newTLSEnd(tls.Client(w, &tls.Config{InsecureSkipVerify: true}), w, false)
	_ = w.SetWriteDeadline(past)
	if _, err := w.Write([]byte("x")); err != nil {
		t.Errorf("a deadline holds on a pumped connection: %v", err)
	}
}

// TestConnectionsAreCounted: up and down again, with how their handshakes ended.
func TestConnectionsAreCounted(t *testing.T) {
	w := newWorld(t, nil)
	if got := w.begin(client{config: presenting("warifu/1", nil, payID)}); got != served {
		t.Fatalf("got %v", got)
	}
	if reason, ok := w.shaken.Load(telemetry.Inbound); !ok || reason != "" {
		t.Errorf("a handshake that succeeded is counted as %q", reason)
	}
	w.begin(client{config: presenting("warifu/1", nil, "spiffe://elsewhere/ns/a/sa/b")})
	waitFor(t, "a refused handshake", func() bool { reason, _ := w.shaken.Load(telemetry.Inbound); return reason != "" })
	waitFor(t, "no connection is left", func() bool { return w.connections.Load() == 0 })
}
