package sniff

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

var patient = Patience{First: 10 * time.Second, Hello: 10 * time.Second}

// clientHello is what crypto/tls sends first with a configuration.
func clientHello(t testing.TB, config *tls.Config) []byte {
	t.Helper()
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		defer client.Close()
		_ = tls.Client(client, config).Handshake()
	}()
	header := make([]byte, recordHeader)
	if _, err := io.ReadFull(server, header); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(server, body); err != nil {
		t.Fatal(err)
	}
	return append(header, body...)
}

// records cuts a ClientHello of one record into records of at most size bytes.
func records(hello []byte, size int) []byte {
	var out []byte
	for rest := hello[recordHeader:]; len(rest) > 0; {
		n := min(size, len(rest))
		out = append(out, hello[0], hello[1], hello[2], byte(n>>8), byte(n))
		out = append(out, rest[:n]...)
		rest = rest[n:]
	}
	return out
}

// pair is a connection whose one end is looked at.
func pair(t testing.TB) (client net.Conn, looked *Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err = net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, NewConn(server)
}

// asGo is how crypto/tls reads the same bytes; false where it refuses them.
func asGo(received []byte) (Hello, bool) {
	var hello Hello
	seen := false
	stop := errors.New("seen")
	_ = tls.Server(&given{rest: received}, &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		hello, seen = Hello{ServerName: info.ServerName, Protocols: info.SupportedProtos}, true
		return nil, stop
	}}).Handshake()
	return hello, seen
}

// given is a connection on which some bytes arrive and then the end, and which takes whatever is written.
type given struct {
	net.Conn
	rest []byte
}

func (g *given) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

func (g *given) Write(p []byte) (int, error)     { return len(p), nil }
func (g *given) Close() error                    { return nil }
func (g *given) SetReadDeadline(time.Time) error { return nil }
func (g *given) SetWriteDeadline(time.Time) error {
	return nil
}
