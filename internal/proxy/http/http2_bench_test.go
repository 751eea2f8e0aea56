package http

import (
	"io"
	"net"
	nethttp "net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// BenchmarkHTTP2Request is a small request and its answer through the proxy, between a client and an application that do
// next to nothing themselves.
func BenchmarkHTTP2Request(b *testing.B) {
	listener := h2Listen(b)
	b.Cleanup(func() { _ = listener.Close() })
	go h2BenchApp(listener)
	r := newH2Bed(b, listener.Addr().String()).dialRaw().greet()
	r.frames.ReadMetaHeaders = nil
	_ = r.conn.SetDeadline(time.Time{})
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		r.get(uint32(2*i+1), "/path/of/it?q=1", "accept", "*/*", "user-agent", "bench/1.0", "x-request-id", "0123456789")
		for ended := false; !ended; {
			f, err := r.frames.ReadFrame()
			if err != nil {
				b.Fatal(err)
			}
			data, ok := f.(*http2.DataFrame)
			ended = ok && data.StreamEnded()
		}
		if i%1000 == 999 {
			_ = r.frames.WriteWindowUpdate(0, 10_000)
		}
	}
}

// h2BenchApp answers every request with the same bytes.
func h2BenchApp(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.ReadFull(conn, make([]byte, len(http2.ClientPreface)))
	frames := http2.NewFramer(conn, conn)
	_ = frames.WriteSettings()
	for {
		f, err := frames.ReadFrame()
		if err != nil {
			return
		}
		if f, ok := f.(*http2.HeadersFrame); ok {
			var answer []byte
			answer = appendFrameHeader(answer, 1, http2.FrameHeaders, http2.FlagHeadersEndHeaders, f.StreamID)
			answer = append(answer, 0x88) // :status 200
			answer = appendFrameHeader(answer, 2, http2.FrameData, http2.FlagDataEndStream, f.StreamID)
			_, _ = conn.Write(append(answer, "ok"...))
		}
	}
}

// BenchmarkHTTP2Body is the throughput of one large answer; net/http at both ends costs several times what the proxy does.
func BenchmarkHTTP2Body(b *testing.B) {
	address := h2App(b, func(w nethttp.ResponseWriter, _ *nethttp.Request) { _, _ = io.Copy(w, &zeros{int64(b.N) << 20}) })
	bed := newH2Bed(b, address)
	b.SetBytes(1 << 20)
	b.ResetTimer()
	response, err := h2Client(b).Get("http://" + bed.address)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err != nil || n != int64(b.N)<<20 {
		b.Fatal(n, err)
	}
}
