package netns

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
)

// fragmented is a connection whose first record, with the ClientHello, is sent in pieces.
type fragmented struct {
	net.Conn
	// record and segment are the bytes of handshake a record and of stream a segment; 0 is all.
	record, segment int
	pause           time.Duration
	begun           bool
}

// Write implements net.Conn.
func (f *fragmented) Write(p []byte) (int, error) {
	if f.begun {
		return f.Conn.Write(p)
	}
	f.begun = true
	const header = 5
	out := p
	if f.record > 0 {
		out = nil
		for rest := p[header:]; len(rest) > 0; {
			n := min(f.record, len(rest))
			out = append(out, p[0], p[1], p[2], byte(n>>8), byte(n))
			out = append(out, rest[:n]...)
			rest = rest[n:]
		}
	}
	for len(out) > 0 {
		n := len(out)
		if f.segment > 0 {
			n = min(f.segment, n)
		}
		if _, err := f.Conn.Write(out[:n]); err != nil {
			return 0, err
		}
		out = out[n:]
		time.Sleep(f.pause)
	}
	return len(p), nil
}

// helloForms are ways to send a ClientHello, each of which some program has not understood.
var helloForms = map[string]struct {
	large int // ALPN names of 250 bytes that it has before ours
	cut   *fragmented
}{
	"in one piece":                 {0, &fragmented{}},
	"in segments of a byte":        {0, &fragmented{segment: 1}},
	"in records of a byte":         {0, &fragmented{record: 1}},
	"in records of a byte, slowly": {0, &fragmented{record: 1, segment: 500, pause: 10 * time.Millisecond}},
	"in records of 50 bytes":       {0, &fragmented{record: 50, segment: 17}},
	"of 20 KiB":                    {80, &fragmented{}},
}

// clientHello: however it is sent, it says the same: who offers the mesh's name proves who he is, and a name in it counts.
func (a *arena) clientHello(t *testing.T) {
	genuine := a.genuine(t, a.id("orders"))
	for name, form := range helloForms {
		var alpn []string
		for i := range form.large {
			alpn = append(alpn, strings.Repeat(string(rune('a'+i%20)), 250))
		}
		alpn = append(alpn, naming.ALPN)
		through := func(conn net.Conn) net.Conn {
			cut := *form.cut
			cut.Conn = conn
			return &cut
		}
		for _, port := range meshPorts {
			a.witness.take()
			if err := a.present(t, port, shows(nil, alpn...), through); err == nil || !strings.Contains(err.Error(), "certificate required") {
				t.Errorf("%s, port %d: nobody's certificate is answered with %v", name, port, err)
			}
			if heard := a.witness.take(); heard != "" {
				t.Errorf("%s, port %d: the application hears %q", name, port, heard)
			}
			if err := a.present(t, port, shows(genuine, alpn...), through); err != nil {
				t.Errorf("%s, port %d: a genuine certificate is answered with %v", name, port, err)
			}
			a.witness.take()
		}
		if err := a.name(t, "Secret.Example", through); err == nil {
			t.Errorf("%s: a ClientHello for a denied name passes", name)
		}
		if err := a.name(t, "open.example", through); err != nil {
			t.Errorf("%s: a ClientHello for another name: %v", name, err)
		}
	}
}

// name does TLS with the application's own under a name.
func (a *arena) name(t *testing.T, name string, through func(net.Conn) net.Conn) error {
	t.Helper()
	conn := a.call(t, a.stranger, appTLS)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	defer cancel()
	return tls.Client(through(conn), &tls.Config{InsecureSkipVerify: true, ServerName: name}).HandshakeContext(ctx)
}

// lateClientHello: what is late is served when it can be, and is never taken for plaintext.
func (a *arena) lateClientHello(t *testing.T) {
	after := func(d time.Duration) func(net.Conn) net.Conn {
		return func(conn net.Conn) net.Conn {
			time.Sleep(d)
			return conn
		}
	}
	short, long := after(300*time.Millisecond), after(1500*time.Millisecond)
	mesh := shows(a.genuine(t, a.id("orders")), naming.ALPN)
	for name, attack := range map[string]func(*testing.T) error{
		"300 ms":            func(t *testing.T) error { return a.present(t, witnessMembers, mesh, short) },
		"300 ms, HTTP":      func(t *testing.T) error { return a.present(t, witnessHTTP, mesh, short) },
		"1.5 s, HTTP":       func(t *testing.T) error { return a.present(t, witnessHTTP, mesh, long) },
		"1.5 s, STRICT":     func(t *testing.T) error { return a.present(t, witnessStrict, mesh, long) },
		"1.5 s, PERMISSIVE": func(t *testing.T) error { return a.lateAtEcho(t, mesh, long) },
		"1.5 s, by its name": func(t *testing.T) error {
			if err := a.name(t, "secret.example", long); err == nil {
				return errors.New("it passes")
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits
			if err := attack(t); err != nil {
				t.Error(err)
			}
		})
	}
}

// lateAtEcho wants the connection cut, and none of the ClientHello echoed.
func (a *arena) lateAtEcho(t *testing.T, config *tls.Config, through func(net.Conn) net.Conn) error {
	t.Helper()
	err := a.present(t, appEcho, config, through)
	var record tls.RecordHeaderError
	if err == nil || errors.As(err, &record) || strings.Contains(err.Error(), "tls:") {
		return fmt.Errorf("the application answers a ClientHello of the mesh: %w", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return a.server.Proxy().WaitForOutput(ctx, `"ClientHelloTooLate"`)
}
