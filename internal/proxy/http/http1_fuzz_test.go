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
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warifu/warifu/internal/authz"
)

// FuzzHTTP1 plays any bytes to a session. The application reads with net/http, which is not our parser: whatever it finds
// must be what was decided about, request by request, and no request more.
func FuzzHTTP1(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
		"GET /a/../b?c#d HTTP/1.1\r\nHost: shop\r\nConnection: x, close\r\nX: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: shop\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nabcPUT /2 HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\nT: v\r\n\r\nGET /3 HTTP/1.0\r\nHost: shop\r\n\r\n",
		"GET http://shop/x HTTP/1.1\r\nHost: shop\r\nTE: trailers\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nGET /admin HTTP/1.1\r\nHost: shop\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\nGET / HTT",
		"\r\nHEAD / HTTP/1.1\r\nHost: [::1]:80\r\nX-Forwarded-Client-Cert: x\r\nx_y: z\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if strings.HasPrefix(string(in), preface) {
			return // another version
		}
		decided, received := playHTTP1(t, in)
		if len(received) > len(decided) {
			t.Fatalf("%d requests arrived, %d were decided about", len(received), len(decided))
		}
		for i, got := range received {
			if got != decided[i] {
				t.Errorf("request %d: decided about %+v, arrived %+v", i, decided[i], got)
			}
		}
	})
}

// seen is what of a request both sides must agree on.
type seen struct{ method, host, path, header string }

func see(method, host, path string, h nethttp.Header) seen {
	var lines []string
	for key, values := range h {
		switch key {
		case "Content-Length", "Connection", "Upgrade", "Te":
			continue // the connection's, and checked by the tables
		}
		if strings.Contains(key, "_") || strings.EqualFold(key, nameXFCC) {
			lines = append(lines, "forbidden")
		}
		lines = append(lines, key+"="+strings.Join(values, "|"))
	}
	slices.Sort(lines)
	return seen{method, host, path, strings.Join(lines, "\n")}
}

// playHTTP1 returns what was decided about and what an application read, each in order.
func playHTTP1(t *testing.T, in []byte) (decided, received []seen) {
	_, pipe := net.Pipe()
	server := bytesConn{pipe, bytes.NewReader(in)}
	var mu sync.Mutex
	var apps sync.WaitGroup
	serveApp := func(conn net.Conn) {
		defer conn.Close()
		reader := bufio.NewReader(conn)
		for {
			r, err := nethttp.ReadRequest(reader)
			if err != nil {
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("net/http does not read what was sent on: %v", err)
				}
				return
			}
			path, _, _ := strings.Cut(r.RequestURI, "?")
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return // half a body, of a request that is not carried out
			}
			mu.Lock()
			received = append(received, see(r.Method, r.Host, path, r.Header))
			mu.Unlock()
			if _, err := io.WriteString(conn, ok[:len(ok)-2]); err != nil {
				return
			}
			if r.Method != nethttp.MethodHead {
				_, _ = io.WriteString(conn, "ok")
			}
		}
	}
	s := NewServer(Options{
		Identity: shop,
		Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
			ours, theirs := net.Pipe()
			apps.Go(func() { serveApp(theirs) })
			return ours, nil
		},
		Decide: func(q authz.Request) authz.Decision {
			mu.Lock()
			defer mu.Unlock()
			decided = append(decided, see(q.HTTP.Method, q.HTTP.Host, q.HTTP.Path, q.HTTP.Header))
			return allowAll(q)
		},
	}).Open(Connection{Conn: server})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = s.Serve(ctx)
	if ctx.Err() != nil {
		t.Fatal("the session does not end")
	}
	apps.Wait()
	return decided, received
}

// bytesConn is a client that has sent some bytes and then no more, and takes all that comes back.
type bytesConn struct {
	net.Conn
	sent *bytes.Reader
}

func (c bytesConn) Read(p []byte) (int, error)  { return c.sent.Read(p) }
func (c bytesConn) Write(p []byte) (int, error) { return len(p), nil }
