package http

import (
	"errors"
	"io"
	nethttp "net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestHTTP2Abuse: floods and broken frames cost the client its connection, and nobody else anything.
func TestHTTP2Abuse(t *testing.T) {
	b := newH2Bed(t, h2App(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	calm, protocol, flow := http2.ErrCodeEnhanceYourCalm, http2.ErrCodeProtocol, http2.ErrCodeFlowControl
	tests := []struct {
		name string
		code http2.ErrCode
		// send returns false when it has had enough.
		send func(r *h2Raw, i int) error
	}{
		{"rapid reset", calm, func(r *h2Raw, i int) error {
			r.get(uint32(2*i+1), "/")
			return r.frames.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel)
		}},
		{"resets made by us", calm, func(r *h2Raw, i int) error {
			r.post(uint32(2*i + 1))
			return r.frames.WriteWindowUpdate(uint32(2*i+1), 0)
		}},
		{"streams beyond the limit", calm, func(r *h2Raw, i int) error {
			r.post(uint32(2*i + 1))
			return r.frames.WriteData(uint32(2*i+1), false, []byte("x"))
		}},
		{"SETTINGS", calm, func(r *h2Raw, _ int) error { return r.frames.WriteSettings() }},
		{"PING", calm, func(r *h2Raw, _ int) error { return r.frames.WritePing(false, [8]byte{}) }},
		{"PRIORITY", calm, func(r *h2Raw, _ int) error { return r.frames.WritePriority(1, http2.PriorityParam{StreamDep: 3}) }},
		{"unknown frames", calm, func(r *h2Raw, _ int) error { return r.frames.WriteRawFrame(0xbe, 0, 0, nil) }},
		{"WINDOW_UPDATE", calm, func(r *h2Raw, _ int) error { return r.frames.WriteWindowUpdate(0, 1) }},
		{"empty DATA", calm, func(r *h2Raw, i int) error {
			if i == 0 {
				r.post(1)
			}
			return r.frames.WriteData(1, false, nil)
		}},
		{"empty CONTINUATION", calm, func(r *h2Raw, i int) error {
			if i == 0 {
				return r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode(":method", "GET")})
			}
			return r.frames.WriteContinuation(1, false, nil)
		}},
		{"CONTINUATION", calm, func(r *h2Raw, i int) error {
			if i == 0 {
				return r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode(":method", "GET")})
			}
			return r.frames.WriteContinuation(1, false, r.encode("a", strings.Repeat("b", 12000)))
		}},
		{"interrupted header block", protocol, func(r *h2Raw, i int) error {
			_ = r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.encode(":method", "GET")})
			return r.frames.WritePing(false, [8]byte{})
		}},
		{"stream zero", protocol, func(r *h2Raw, _ int) error { return r.frames.WriteRawFrame(http2.FrameData, 0, 0, []byte("x")) }},
		{"even stream", protocol, func(r *h2Raw, _ int) error { r.get(2, "/"); return nil }},
		{"DATA before HEADERS", protocol, func(r *h2Raw, _ int) error { return r.frames.WriteData(1, false, []byte("x")) }},
		{"reset before HEADERS", protocol, func(r *h2Raw, _ int) error { return r.frames.WriteRSTStream(1, http2.ErrCodeCancel) }},
		{"PUSH_PROMISE", protocol, func(r *h2Raw, _ int) error {
			r.post(1)
			return r.frames.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: r.encode("a", "b"), EndHeaders: true})
		}},
		{"window of the connection overflows", flow, func(r *h2Raw, _ int) error { return r.frames.WriteWindowUpdate(0, h2MaxWindow) }},
		{"no window update", protocol, func(r *h2Raw, _ int) error { return r.frames.WriteWindowUpdate(0, 0) }},
		{"windows of streams overflow", flow, func(r *h2Raw, _ int) error {
			r.post(1)
			_ = r.frames.WriteWindowUpdate(1, 1<<30)
			return r.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2MaxWindow})
		}},
		{"impossible window", flow, func(r *h2Raw, _ int) error {
			return r.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}},
		{"large frame", http2.ErrCodeFrameSize, func(r *h2Raw, _ int) error {
			r.post(1)
			return r.frames.WriteData(1, false, make([]byte, h2ChunkSize+1))
		}},
		{"padding longer than the frame", protocol, func(r *h2Raw, _ int) error {
			r.post(1)
			return r.frames.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{9, 'x'})
		}},
		{"undecodable header block", http2.ErrCodeCompression, func(r *h2Raw, i int) error {
			return r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}})
		}},
		{"enormous table", http2.ErrCodeCompression, func(r *h2Raw, i int) error {
			return r.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: []byte{0x3f, 0xff, 0xff, 0x7f}})
		}},
		{"malformed HEADERS", protocol, func(r *h2Raw, i int) error {
			return r.frames.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 1, []byte{200, 1})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := b.dialRaw().greet()
			defer r.conn.Close()
			go func() {
				for i := 0; i < 50_000 && test.send(r, i) == nil; i++ {
					if test.code != calm {
						return
					}
				}
			}()
			out := newH2Raw(t, r.conn).outcome(0)
			if flooded := test.code == calm && out.ended == "closed"; out.goAway != test.code && !flooded { // the end may overtake its reason
				t.Errorf("got %+v", out)
			}
			_ = r.conn.Close()
			var wrong h2Error
			if err := <-b.ended; !errors.As(err, &wrong) || wrong.code != test.code {
				t.Errorf("the session ended with %v", err)
			}
		})
	}
	response, err := h2Client(t).Get("http://" + b.address)
	if err != nil || response.StatusCode != 200 {
		t.Errorf("afterwards: %v %v", response, err)
	}
}

// TestHTTP2FirstFrame: SETTINGS come first.
func TestHTTP2FirstFrame(t *testing.T) {
	b := newH2Bed(t, h2App(t, func(nethttp.ResponseWriter, *nethttp.Request) {}))
	r := b.dialRaw()
	_, _ = r.conn.Write([]byte(http2.ClientPreface))
	r.get(1, "/")
	if out := r.outcome(1); out.goAway != http2.ErrCodeProtocol {
		t.Errorf("got %+v", out)
	}
}

// TestHTTP2WindowsPassed: a client that sends more than it may loses the stream, or the connection.
func TestHTTP2WindowsPassed(t *testing.T) {
	stop := make(chan struct{})
	b := newH2Bed(t, h2App(t, func(nethttp.ResponseWriter, *nethttp.Request) { <-stop }))
	defer close(stop)
	flood := func(streams int) h2Outcome {
		r := b.dialRaw().greet()
		for i := range streams {
			r.post(uint32(2*i + 1))
		}
		go func() {
			for i := range 1 + 2*h2ConnectionWindow/h2ChunkSize {
				if r.frames.WriteData(uint32(2*(i%streams)+1), false, make([]byte, h2ChunkSize)) != nil {
					return
				}
			}
		}()
		return newH2Raw(t, r.conn).outcome(1)
	}
	if out := flood(1); out.reset != http2.ErrCodeFlowControl {
		t.Errorf("one stream: %+v", out)
	}
	if out := flood(100); out.ended != "closed" && out.goAway != http2.ErrCodeFlowControl { // it may be too busy to hear why
		t.Errorf("a hundred streams: %+v", out)
	}
}

// TestHTTP2Amplification: a small block that refers to one large field over and over is large.
func TestHTTP2Amplification(t *testing.T) {
	b := newH2Bed(t, h2App(t, func(nethttp.ResponseWriter, *nethttp.Request) { t.Error("the request arrived") }))
	r := b.dialRaw().greet()
	pairs := []string{":method", "GET", ":scheme", "http", ":authority", "app", ":path", "/"}
	for range 100 {
		pairs = append(pairs, "cookie", strings.Repeat("c", 3000))
	}
	block := r.encode(pairs...)
	if len(block) > 4000 {
		t.Fatalf("the block has %d bytes", len(block))
	}
	r.sendBlock(1, true, block)
	if out := r.outcome(1); out.status != "431" {
		t.Errorf("got %+v", out)
	}
}

// TestHTTP2ResetsEarned: a client that also finishes what it begins may give up as much as it likes.
func TestHTTP2ResetsEarned(t *testing.T) {
	b := newH2Budget(h2ResetBurst, 0)
	now := time.Now()
	for i := range 10 * h2ResetBurst {
		if !b.spend(now) {
			t.Fatalf("no more after %d", i)
		}
		b.earn(1)
	}
	for range h2ResetBurst {
		b.spend(now)
	}
	if b.spend(now) {
		t.Error("there is no end to it")
	}
}
