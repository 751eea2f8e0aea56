package netns

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/warifu/warifu/internal/naming"
)

// floods cost their client its connection, and nobody else anything.
func (a *arena) floods(t *testing.T) {
	bystander := a.call(t, a.orders, appEcho)
	unharmed := func(after string) {
		t.Helper()
		if err := echo(bystander, "unharmed"); err != nil {
			t.Fatalf("another connection after %s: %v", after, err)
		}
		if got := a.sayHTTP2(t, a.orders, forged{}); got != "200" {
			t.Fatalf("another request after %s: %q", after, got)
		}
	}
	unharmed("nothing")
	for name, flood := range map[string]func(s *speaker, i int) error{
		"rapid reset": func(s *speaker, i int) error {
			_ = s.ask(uint32(2*i+1), true)
			return s.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel)
		},
		"resets that the server has to make": func(s *speaker, i int) error {
			_ = s.ask(uint32(2*i+1), false)
			return s.WriteWindowUpdate(uint32(2*i+1), 0)
		},
		"SETTINGS": func(s *speaker, _ int) error { return s.WriteSettings() },
		"PING":     func(s *speaker, _ int) error { return s.WritePing(false, [8]byte{}) },
		"empty DATA": func(s *speaker, i int) error {
			if i == 0 {
				_ = s.ask(1, false)
			}
			return s.WriteData(1, false, nil)
		},
		"CONTINUATION": func(s *speaker, i int) error {
			if i == 0 {
				return s.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.encode(":method", "GET")})
			}
			return s.WriteContinuation(1, false, s.encode("a", strings.Repeat("b", 12000)))
		},
	} {
		for attacker, from := range a.attackers() {
			s := a.speak(t, from, witnessHTTP)
			go func() {
				for i := 0; i < 50_000 && flood(s, i) == nil; i++ {
				}
			}()
			if got := s.outcome(0); got != http2.ErrCodeEnhanceYourCalm.String() && got != "closed" { // RST may overtake the reason
				t.Errorf("%s, %s: %q", name, attacker, got)
			}
			_ = s.conn.Close()
		}
		unharmed(name)
	}
	for range 200 {
		_, _ = io.WriteString(a.call(t, a.stranger, witnessHTTP), "GET /open HTTP/1.1\r\nHost: pay")
		_, _ = io.WriteString(a.call(t, a.stranger, witnessStrict), "\x16\x03\x01\x02")
	}
	a.stall(t)
	unharmed("clients that do not go on")
	if got := a.say(t, a.stranger, post+"Transfer-Encoding: chunked\r\n\r\n"+strings.Repeat("1\r\nx\r\n", 20_000)+"0\r\n\r\n"); got != "200" {
		t.Errorf("chunks of a byte: %q", got)
	}
	unharmed("chunks of a byte")
	if peak := peakMemory(t, a.server.Proxy().PID()); peak > mostMemory {
		t.Errorf("the proxy had %d MiB", peak>>20)
	} else {
		t.Logf("the proxy had at most %d MiB", peak>>20)
	}
	a.witness.take()
}

// stall begins more handshakes than are allowed to compute at a time, and goes on with none.
func (a *arena) stall(t *testing.T) {
	t.Helper()
	errStalled := errors.New("the client has seen the server's certificate, and says no more")
	for range 300 {
		config := shows(nil, naming.ALPN)
		config.VerifyConnection = func(tls.ConnectionState) error { return errStalled }
		conn := quiet{a.call(t, a.stranger, witnessStrict)}
		t.Cleanup(func() { _ = conn.Close() })
		if err := tls.Client(conn, config).HandshakeContext(t.Context()); !errors.Is(err, errStalled) {
			t.Fatalf("a handshake got as far as %v", err)
		}
	}
}

// quiet is a connection on which nothing is said after the first words.
type quiet struct{ net.Conn }

// Write implements net.Conn.
func (q quiet) Write(p []byte) (int, error) {
	const clientHello = 1 // of the handshake messages, behind the header of the record
	if p[0] != 0x16 || p[5] != clientHello {
		return len(p), nil
	}
	return q.Conn.Write(p)
}

// mostMemory is far above what the proxy needs, in bytes, and far below what the floods could have it hold.
const mostMemory = 256 << 20

// peakMemory is the most that a process had in memory, in bytes.
func peakMemory(t *testing.T, pid int) uint64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	text, _, _ := strings.Cut(strings.TrimSpace(rest), " kB")
	kib, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
