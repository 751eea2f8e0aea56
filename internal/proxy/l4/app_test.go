package l4

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/testkit/ca"
)

// app is an application that answers lines, in plaintext and in TLS of its own.
type app struct {
	address  netip.AddrPort
	listener net.Listener
	// greeting is sent before anything is read.
	greeting atomic.Pointer[string]
	accepted atomic.Int32

	mu    sync.Mutex
	conns []net.Conn
	serve func(*net.TCPConn)
}

func newApp(t testing.TB) *app {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{listener: l, address: l.Addr().(*net.TCPAddr).AddrPort()}
	certificate := ca.New(t).Sign(t, ca.Template())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			a.accepted.Add(1)
			a.mu.Lock()
			a.conns = append(a.conns, conn)
			serve := a.serve
			a.mu.Unlock()
			running.Go(func() {
				if serve != nil {
					serve(conn.(*net.TCPConn))
					return
				}
				a.answer(conn, certificate)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		a.mu.Lock()
		for _, conn := range a.conns {
			conn.Close()
		}
		a.mu.Unlock()
		running.Wait()
	})
	return a
}

// serves replaces the answering of lines, for connections from now on.
func (a *app) serves(serve func(*net.TCPConn)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.serve = serve
}

func (a *app) answer(conn net.Conn, certificate *tls.Certificate) {
	defer conn.Close()
	if greeting := a.greeting.Load(); greeting != nil {
		_, _ = io.WriteString(conn, *greeting)
	}
	reader := bufio.NewReader(conn)
	prefix := "app "
	if first, err := reader.Peek(1); err == nil && first[0] == 0x16 {
		prefix = "app-tls "
		own := tls.Server(&peeked{conn, reader}, &tls.Config{
			Certificates: []tls.Certificate{*certificate}, ClientAuth: tls.RequestClientCert, NextProtos: []string{"h2", "warifu/1"},
		})
		conn, reader = own, bufio.NewReader(own)
	}
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, prefix+line)
	}
}

type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.reader.Read(b) }

func parseID(t testing.TB, s string) identity.ID {
	t.Helper()
	id, err := identity.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
