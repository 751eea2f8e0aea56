package http

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTimeouts has a client that sends a little, then nothing, and when it is given up.
func TestTimeouts(t *testing.T) {
	tests := []struct {
		name, sent, back string
		after            time.Duration
	}{
		{"nothing", "", "", idleTimeout},
		{"half a preface", "PRI * HT", "", headTimeout},
		{"half a head", "GET / HTTP/1.1\r\nHost: sh", "HTTP/1.1 408 Request Timeout\r\n", headTimeout},
		{"a request, then nothing", "GET /denied HTTP/1.1\r\nHost: shop\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n", idleTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				s := NewServer(Options{Identity: shop, Decide: denyAll}).Open(Connection{Conn: server})
				if tt.sent != "" { // on a pipe, nothing is something to read
					go func() { _, _ = io.WriteString(client, tt.sent) }()
				}
				back := make(chan string)
				go func() {
					all, _ := io.ReadAll(client)
					back <- string(all)
				}()
				start := time.Now()
				_ = s.Serve(context.Background())
				if took := time.Since(start); took != tt.after {
					t.Errorf("given up after %v, want %v", took, tt.after)
				}
				if got := <-back; !strings.HasPrefix(got, tt.back) || tt.back == "" && got != "" {
					t.Errorf("back %q, want %q", got, tt.back)
				}
			})
		})
	}
}

// A head that comes byte by byte must be whole in time all the same: each byte buys none.
func TestSlowHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		s := NewServer(Options{Identity: shop, Decide: denyAll}).Open(Connection{Conn: server})
		var ends sync.WaitGroup
		defer ends.Wait()
		ends.Go(func() {
			for _, c := range []byte("GET / HTTP/1.1\r\nHost: " + strings.Repeat("a", 1000)) {
				if _, err := client.Write([]byte{c}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		ends.Go(func() { _, _ = io.Copy(io.Discard, client) })
		start := time.Now()
		_ = s.Serve(context.Background())
		if took := time.Since(start); took > 2*headTimeout {
			t.Errorf("given up after %v", took)
		}
	})
}
