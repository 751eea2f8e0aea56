package http

import (
	"io"
	"runtime"
	"testing"
	"time"
)

// TestNothingIsLeftBehind ends sessions in every way and waits for their goroutines.
func TestNothingIsLeftBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	endings := map[string]func(*testing.T){
		"in the middle of a head": func(t *testing.T) {
			r := newRig(t)
			r.send("GET / HT")
			r.finish()
		},
		"in the middle of a body": func(t *testing.T) {
			r := newRig(t)
			r.send("PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\nx")
			r.accept()
			_ = r.client.Close()
			r.wait()
		},
		"by the application, in the middle of an upload": func(t *testing.T) {
			r := newRig(t)
			r.send("PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\nx")
			_ = r.accept().Close()
			expect(t, r.client, "HTTP/1.1 502 Bad Gateway\r\n")
			_ = r.client.Close()
			r.wait()
		},
		"with an application that takes nothing": func(t *testing.T) {
			r := newRig(t)
			r.send("PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 99999999\r\n\r\n")
			r.accept()
			_ = r.client.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			_, _ = r.client.Write(make([]byte, 50<<20))
			r.stop()
			r.wait()
		},
		"with a client that takes nothing": func(t *testing.T) {
			r := newRig(t)
			r.send(plainGet)
			app := r.accept()
			_ = app.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			_, _ = io.WriteString(app, "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
			_, _ = app.Write(make([]byte, 50<<20))
			r.change(denyAll)
			r.wait()
		},
		"as a tunnel": func(t *testing.T) {
			r, _ := openTunnel(t)
			r.stop()
			r.wait()
		},
	}
	for name, end := range endings {
		t.Run(name, end)
	}
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
