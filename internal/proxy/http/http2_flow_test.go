package http

import (
	"errors"
	"fmt"
	"io"
	nethttp "net/http"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// zeros is a body of so many bytes that takes no memory.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

// TestHTTP2LargeBodies: bodies of any size pass in both directions, and memory does not grow with them.
func TestHTTP2LargeBodies(t *testing.T) {
	const size = 200 << 20
	b := newH2Bed(t, h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { _, _ = io.Copy(w, r.Body) }))
	var peak atomic.Uint64
	response, err := h2Client(t).Post("http://"+b.address, "", &zeros{size})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	buffer, total := make([]byte, 64<<10), int64(0)
	for i := 0; err == nil; i++ {
		var n int
		n, err = response.Body.Read(buffer)
		total += int64(n)
		if i%500 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
		}
	}
	if !errors.Is(err, io.EOF) || total != size {
		t.Errorf("%d bytes came back: %v", total, err)
	}
	if mib := peak.Load() >> 20; mib > 64 {
		t.Errorf("the heap grew to %d MiB", mib)
	}
}

// TestHTTP2SlowReaders: who does not read slows its writer down and stops nobody else; what the proxy holds is bounded.
func TestHTTP2SlowReaders(t *testing.T) {
	var written [8]atomic.Int64
	stopped := make(chan struct{}, len(written))
	b := newH2Bed(t, h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		var i int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &i); err != nil {
			return
		}
		for {
			n, err := w.Write(make([]byte, 16<<10))
			if err != nil {
				stopped <- struct{}{}
				return
			}
			written[i].Add(int64(n))
		}
	}))
	// The client gives each stream a window that is never given back.
	r := b.dialRaw().greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	_ = r.frames.WriteWindowUpdate(0, 1<<30)
	for i := range len(written) - 1 {
		r.get(uint32(2*i+1), fmt.Sprintf("/%d", i))
	}
	// All of them have got what their windows allow; a stream that reads is served all the same.
	id := uint32(2*len(written) + 1)
	r.get(id, fmt.Sprintf("/%d", len(written)-1))
	_ = r.frames.WriteWindowUpdate(id, 1<<30)
	for got := 0; got < 20<<20; {
		f, err := r.frames.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := f.(*http2.DataFrame); ok && f.StreamID == id {
			got += len(f.Data())
		}
	}
	for i := range len(written) - 1 {
		if n := written[i].Load(); n > 4<<20 {
			t.Errorf("%d bytes were taken from stream %d, of which nothing is read", n, i)
		}
	}
	_ = r.conn.Close()
	for range written {
		<-stopped
	}
}

// TestHTTP2ManySmallFrames: a body of single bytes costs about its size.
func TestHTTP2ManySmallFrames(t *testing.T) {
	release := make(chan struct{})
	counted := make(chan int64, 1)
	b := newH2Bed(t, h2App(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		<-release
		n, _ := io.Copy(io.Discard, r.Body)
		counted <- n
	}))
	r := b.dialRaw().greet()
	r.post(1)
	const frames = 300_000
	for range frames {
		_ = r.frames.WriteData(1, false, []byte("x"))
	}
	_ = r.frames.WritePing(false, [8]byte{7})
	for {
		f, err := r.frames.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if ping, ok := f.(*http2.PingFrame); ok && ping.IsAck() {
			break
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if mib := m.HeapInuse >> 20; mib > 64 {
		t.Errorf("%d bytes take %d MiB", frames, mib)
	}
	close(release)
	_ = r.frames.WriteData(1, true, nil)
	if n := <-counted; n != frames {
		t.Errorf("%d bytes of %d arrived", n, frames)
	}
}

// TestHTTP2Padding counts against the windows and is given back.
func TestHTTP2Padding(t *testing.T) {
	b := newH2Bed(t, h2App(t, func(w nethttp.ResponseWriter, r *nethttp.Request) { _, _ = io.Copy(w, r.Body) }))
	r := b.dialRaw().greet()
	_ = r.frames.WriteWindowUpdate(0, 1<<30)
	r.post(1)
	_ = r.frames.WriteWindowUpdate(1, 1<<30)
	window, sent := h2StreamWindow, 0
	for i := 0; i < 5000; {
		if window > 300 {
			_ = r.frames.WriteDataPadded(1, false, []byte("0123456789"), make([]byte, 255))
			window -= 266
			sent += 10
			i++
			continue
		}
		f, err := r.frames.ReadFrame()
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if f, ok := f.(*http2.WindowUpdateFrame); ok && f.StreamID == 1 {
			window += int(f.Increment)
		}
	}
	_ = r.frames.WriteData(1, true, nil)
	if out := r.outcome(1); out.ended != "answer" || len(out.body) > sent {
		t.Errorf("got %s with %d bytes of %d", out.ended, len(out.body), sent)
	}
}
