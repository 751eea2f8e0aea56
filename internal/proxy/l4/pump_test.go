package l4

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// both runs a test over mesh TLS and in plaintext.
func both(t *testing.T, test func(t *testing.T, w *world, connect func() halfConn)) {
	t.Run("TLS", func(t *testing.T) {
		w := newWorld(t, nil)
		test(t, w, func() halfConn { return w.meet(payID) })
	})
	t.Run("plaintext", func(t *testing.T) {
		w := newWorld(t, nil)
		w.mode(proxyconfig.Disable)
		test(t, w, func() halfConn { return w.dial(w.inbound) })
	})
}

type halfConn interface {
	net.Conn
	CloseWrite() error
}

// TestHalfClose: the end of one direction is passed on, and the other goes on until its own.
func TestHalfClose(t *testing.T) {
	both(t, func(t *testing.T, w *world, connect func() halfConn) {
		w.app.serves(func(conn *net.TCPConn) {
			heard, _ := io.ReadAll(conn)
			_, _ = conn.Write(append([]byte("heard: "), heard...))
			conn.Close()
		})
		conn := connect()
		_, _ = conn.Write([]byte("all I have"))
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || string(answer) != "heard: all I have" {
			t.Errorf("answer %q, %v", answer, err)
		}
		conn.Close()
		if e := w.entry(); e.Verdict != telemetry.Allowed || e.Received != 10 || e.Sent != 17 {
			t.Errorf("recorded %+v", e)
		}
	})
}

// TestMuch: many bytes both ways at once, with a reader that stops for a while, arrive whole and in order.
func TestMuch(t *testing.T) {
	payload := make([]byte, 8<<20)
	for i := range payload {
		payload[i] = byte(rand.Uint32())
	}
	both(t, func(t *testing.T, w *world, connect func() halfConn) {
		sum := make(chan [32]byte, 1)
		w.app.serves(func(conn *net.TCPConn) {
			go func() {
				_, _ = conn.Write(payload)
				_ = conn.CloseWrite()
			}()
			time.Sleep(20 * time.Millisecond) // fills the buffers on the way
			h := sha256.New()
			_, _ = io.Copy(h, conn)
			sum <- [32]byte(h.Sum(nil))
			conn.Close()
		})
		conn := connect()
		go func() {
			_, _ = conn.Write(payload)
			_ = conn.CloseWrite()
		}()
		received, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(received, payload) {
			t.Errorf("received %d bytes, %v", len(received), err)
		}
		if <-sum != sha256.Sum256(payload) {
			t.Error("the application received other bytes")
		}
		conn.Close()
		if e := w.entry(); e.Received != int64(len(payload)) || e.Sent != int64(len(payload)) {
			t.Errorf("recorded %d, %d bytes of %d", e.Received, e.Sent, len(payload))
		}
	})
}

// TestBroken: an end that breaks off breaks off the other.
func TestBroken(t *testing.T) {
	both(t, func(t *testing.T, w *world, connect func() halfConn) {
		seen := make(chan error, 1)
		w.app.serves(func(conn *net.TCPConn) {
			_, err := io.ReadFull(conn, make([]byte, 5))
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			seen <- err
		})
		conn := connect()
		_, _ = conn.Write([]byte("hello"))
		waitFor(t, "the application is dialled", func() bool { return w.app.accepted.Load() == 1 })
		raw := net.Conn(conn)
		if c, ok := conn.(*tls.Conn); ok {
			raw = c.NetConn()
		}
		reset(raw)
		if err := <-seen; err == nil || failure(err) != "reset" {
			t.Errorf("the application saw %v", err)
		}
		w.wantEntry(telemetry.Failed, string(ReasonBroken), "bytes of the client")

		w.app.serves(func(conn *net.TCPConn) {
			_, _ = conn.Read(make([]byte, 1))
			reset(conn)
		})
		conn = connect()
		_, _ = conn.Write([]byte("x"))
		if _, err := conn.Read(make([]byte, 1)); err == nil || failure(err) != "reset" {
			t.Errorf("the client saw %v", err)
		}
		w.wantEntry(telemetry.Failed, string(ReasonBroken), "bytes of the server")
	})
}

// TestTruncated: the end of the TCP connection is not the end of the stream within TLS; anybody on the way can make it.
func TestTruncated(t *testing.T) {
	w := newWorld(t, nil)
	seen := make(chan error, 1)
	w.app.serves(func(conn *net.TCPConn) {
		_, err := io.ReadAll(conn)
		seen <- err
	})
	conn := w.meet(payID)
	_, _ = conn.Write([]byte("half of it"))
	if err := conn.NetConn().(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-seen; err == nil || failure(err) != "reset" {
		t.Errorf("the application saw %v", err)
	}
	w.wantEntry(telemetry.Failed, string(ReasonTruncated), "without TLS's close_notify")
}

// TestIdle: what sends nothing for long is closed, what sends something is not.
func TestIdle(t *testing.T) {
	w := newWorld(t, func(_ *world, o *Options) { o.Limits.Idle = 100 * time.Millisecond })
	conn := w.meet(payID)
	for range 20 {
		if got := ask(conn); got != served {
			t.Fatalf("answer %q", got)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || failure(err) != "reset" {
		t.Errorf("the client saw %v", err)
	}
	w.wantEntry(telemetry.Failed, string(ReasonIdle), "100ms")
}

// TestNoResumption: a client that would resume its session cannot.
func TestNoResumption(t *testing.T) {
	w := newWorld(t, nil)
	config := presenting("warifu/1", nil, payID)(w)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	for range 3 {
		conn := tls.Client(w.dial(w.inbound), config)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if got := ask(conn); got != served || conn.ConnectionState().DidResume {
			t.Errorf("answer %q, resumed %t", got, conn.ConnectionState().DidResume)
		}
		conn.Close()
	}
}

// TestNotASocket: what cannot be pumped is an error.
func TestNotASocket(t *testing.T) {
	one, other := net.Pipe()
	defer one.Close()
	defer other.Close()
	if _, err := newRawEnd(one, nil); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}
