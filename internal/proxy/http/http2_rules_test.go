package http

import (
	"io"
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// TestHTTP2MalformedRequests: what can be read in more than one way is refused before the application sees it.
func TestHTTP2MalformedRequests(t *testing.T) {
	var arrived atomic.Int32
	b := newH2Bed(t, h2App(t, func(nethttp.ResponseWriter, *nethttp.Request) { arrived.Add(1) }))
	request := func(change map[string]string, more ...string) (pairs []string) {
		for _, name := range []string{":method", ":scheme", ":authority", ":path"} {
			value := map[string]string{":method": "GET", ":scheme": "http", ":authority": "app", ":path": "/"}[name]
			if changed, ok := change[name]; ok {
				value = changed
			}
			if value != "-" {
				pairs = append(pairs, name, value)
			}
		}
		return append(pairs, more...)
	}
	changed := func(name, value string) []string { return request(map[string]string{name: value}) }
	tests := []struct {
		name, status string
		pairs        []string
	}{
		{"no method", "400", changed(":method", "-")},
		{"no scheme", "400", changed(":scheme", "-")},
		{"no path", "400", changed(":path", "-")},
		{"no host", "400", changed(":authority", "-")},
		{"empty method", "400", changed(":method", "")},
		{"empty path", "400", changed(":path", "")},
		{"empty host", "400", changed(":authority", "")},
		{"method with a space", "400", changed(":method", "GET /x HTTP/1.1")},
		{"method with a line break", "400", changed(":method", "GET\r\nx: y")},
		{"path without slash", "400", changed(":path", "admin")},
		{"path of a proxy request", "400", changed(":path", "http://app/admin")},
		{"asterisk", "400", changed(":path", "*")},
		{"path with a space", "400", changed(":path", "/ HTTP/1.1")},
		{"path with a line break", "400", changed(":path", "/\r\nx: y")},
		{"path with NUL", "400", changed(":path", "/%00")},
		{"host with a line break", "400", changed(":authority", "app\r\nx: y")},
		{"host with user", "400", changed(":authority", "user@app")},
		{"host with path", "400", changed(":authority", "app/admin")},
		{"scheme in another case", "400", changed(":scheme", "HTTP")},
		{"unknown scheme", "400", changed(":scheme", "gopher")},
		{"unknown pseudo", "400", append([]string{":foo", "bar"}, request(nil)...)},
		{"status in a request", "400", append([]string{":status", "200"}, request(nil)...)},
		{"protocol", "400", append([]string{":protocol", "websocket"}, request(nil)...)},
		{"two methods", "400", append([]string{":method", "GET"}, request(nil)...)},
		{"two paths", "400", append([]string{":path", "/"}, request(nil)...)},
		{"two authorities", "400", append([]string{":authority", "app"}, request(nil)...)},
		{"pseudo behind others", "400", append(changed(":path", "-"), "a", "b", ":path", "/")},
		{"another host", "400", request(nil, "host", "other")},
		{"host in another case", "400", request(nil, "host", "APP")},
		{"two hosts", "400", request(nil, "host", "app", "host", "app")},
		{"upper case name", "400", request(nil, "X-Upper", "a")},
		{"empty name", "400", request(nil, "", "a")},
		{"name with a space", "400", request(nil, "a b", "c")},
		{"name with a colon", "400", request(nil, "a:b", "c")},
		{"name with a line break", "400", request(nil, "a\r\nb", "c")},
		{"value with a line break", "400", request(nil, "a", "b\r\nx-forwarded-client-cert: c")},
		{"value with a bare line feed", "400", request(nil, "a", "b\nc")},
		{"value with NUL", "400", request(nil, "a", "b\x00c")},
		{"value with space around it", "400", request(nil, "a", " b")},
		{"connection", "400", request(nil, "connection", "x-secret")},
		{"keep-alive", "400", request(nil, "keep-alive", "timeout=5")},
		{"proxy-connection", "400", request(nil, "proxy-connection", "keep-alive")},
		{"transfer-encoding", "400", request(nil, "transfer-encoding", "chunked")},
		{"upgrade", "400", request(nil, "upgrade", "h2c")},
		{"te", "400", request(nil, "te", "gzip")},
		{"content-length without a body", "400", request(nil, "content-length", "5")},
		{"content-length twice", "400", request(nil, "content-length", "0", "content-length", "0")},
		{"content-length as a list", "400", request(nil, "content-length", "0, 0")},
		{"content-length with a sign", "400", request(nil, "content-length", "+0")},
		{"negative content-length", "400", request(nil, "content-length", "-1")},
		{"enormous content-length", "400", request(nil, "content-length", "99999999999999999999")},
		{"CONNECT", "405", []string{":method", "CONNECT", ":authority", "app:22"}},
		{"CONNECT with a path", "405", append(changed(":method", "CONNECT"), "x", "y")},
		{"too many fields", "431", request(nil, strings.Split(strings.Repeat("a,b,", maxFields)+"c,d", ",")...)},
		{"too large", "431", request(nil, "a", strings.Repeat("x", maxHead/2), "b", strings.Repeat("x", maxHead/2))},
		{"target too long", "414", changed(":path", "/"+strings.Repeat("x", maxTarget))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := b.dialRaw().greet()
			defer r.conn.Close()
			r.sendBlock(1, true, r.encode(test.pairs...))
			if out := r.outcome(1); out.status != test.status {
				t.Errorf("got %+v", out)
			}
			// The connection has survived.
			before := arrived.Load()
			r.get(3, "/")
			if out := r.outcome(3); out.status != "200" || arrived.Load() != before+1 {
				t.Errorf("after it: %+v", out)
			}
		})
	}
	if n := int(arrived.Load()); n != len(tests) {
		t.Errorf("%d requests arrived, of which %d should have", n, len(tests))
	}
}

// sendBlock sends a header block in as many frames as it needs.
func (r *h2Raw) sendBlock(id uint32, end bool, block []byte) {
	n := min(len(block), h2ChunkSize)
	_ = r.frames.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, EndStream: end, EndHeaders: n == len(block), BlockFragment: block[:n],
	})
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(len(block), h2ChunkSize)
		_ = r.frames.WriteContinuation(id, n == len(block), block[:n])
	}
}

// TestHTTP2Lenient: what is merely unusual passes.
func TestHTTP2Lenient(t *testing.T) {
	var got atomic.Pointer[nethttp.Request]
	b := newH2Bed(t, h2App(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) { got.Store(r) }))
	r := b.dialRaw().greet()
	r.headers(1, true, ":path", "/", ":method", "brew", ":scheme", "https", "host", "app", "te", "trailers", "a", "\xe9t\xe9",
		"cookie", "a=1", "cookie", "b=2", "x", "1", "x", "2")
	if out := r.outcome(1); out.status != "200" {
		t.Fatalf("got %+v", out)
	}
	request := got.Load()
	if request.Method != "brew" || request.Host != "app" || request.Header.Get("Te") != "trailers" || request.Header.Get("A") != "\xe9t\xe9" {
		t.Errorf("the application got %s %s %v", request.Method, request.Host, request.Header)
	}
	if len(request.Header["X"]) != 2 || strings.Join(request.Header["Cookie"], "; ") != "a=1; b=2" {
		t.Errorf("the application got %v", request.Header)
	}
}

// TestHTTP2ForgedIdentity: no spelling of X-Forwarded-Client-Cert, in head or trailers, gets through.
func TestHTTP2ForgedIdentity(t *testing.T) {
	var fields atomic.Value
	b := newH2Bed(t, h2App(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		var all []string
		for _, header := range []nethttp.Header{r.Header, r.Trailer} {
			for name, values := range header {
				if len(values) > 0 { // announced trailers have none
					all = append(all, strings.ToLower(name))
				}
			}
		}
		fields.Store(strings.Join(all, " "))
	}))
	for _, name := range []string{
		"x-forwarded-client-cert", "x_forwarded_client_cert", "x-forwarded_client-cert", "x.forwarded.client.cert", "x_forwarded-client.cert",
	} {
		r := b.dialRaw().greet()
		r.post(1, name, "By=evil", "trailer", name+", x")
		r.headers(1, true, name, "By=evil")
		if out := r.outcome(1); out.status != "200" {
			t.Fatalf("%s: %+v", name, out)
		}
		if got := fields.Load().(string); strings.Contains(got, "client") {
			t.Errorf("%s: the application got %s", name, got)
		}
		_ = r.conn.Close()
	}
}

// TestHTTP2BodyLength: a body is as long as was declared, or there is no request.
func TestHTTP2BodyLength(t *testing.T) {
	var complete atomic.Int32
	b := newH2Bed(t, h2App(t, func(_ nethttp.ResponseWriter, r *nethttp.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			complete.Add(1)
		}
	}))
	tests := map[string]func(r *h2Raw){
		"too long":           func(r *h2Raw) { _ = r.frames.WriteData(1, true, []byte("123456")) },
		"too long, open":     func(r *h2Raw) { _ = r.frames.WriteData(1, false, []byte("123456")) },
		"too short":          func(r *h2Raw) { _ = r.frames.WriteData(1, true, []byte("1234")) },
		"short with trailer": func(r *h2Raw) { _ = r.frames.WriteData(1, false, []byte("1")); r.headers(1, true, "a", "b") },
		"empty":              func(r *h2Raw) { _ = r.frames.WriteData(1, true, nil) },
		"pseudo in trailer":  func(r *h2Raw) { r.headers(1, true, ":path", "/admin") },
		"open trailer":       func(r *h2Raw) { r.headers(1, false, "a", "b") },
		"broken trailer":     func(r *h2Raw) { r.headers(1, true, "a\r\n", "b") },
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			r := b.dialRaw().greet()
			defer r.conn.Close()
			r.post(1, "content-length", "5")
			send(r)
			if out := r.outcome(1); out.ended != "reset" || out.reset != http2.ErrCodeProtocol {
				t.Errorf("got %+v", out)
			}
		})
	}
	if n := complete.Load(); n > 0 {
		t.Errorf("%d requests were complete to the application", n)
	}
}
