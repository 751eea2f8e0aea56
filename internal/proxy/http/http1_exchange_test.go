package http

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	ok    = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	empty = "HTTP/1.1 204 No Content\r\n\r\n"
)

// TestExchange has what a client sends, what the application receives, byte for byte, and what the client gets back.
func TestExchange(t *testing.T) {
	tests := []struct {
		name    string
		in      string
		answers []string
		app     string
		back    string
	}{
		{"GET", "GET /a?b=c HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\nX-Request-Id: r\r\n\r\n", []string{ok},
			"GET /a?b=c HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\nX-Request-Id: r\r\n\r\n", ok},
		{"keep-alive", "GET /1 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\nGET /2 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: s\r\n\r\n", []string{ok, empty},
			"GET /1 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\nGET /2 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: s\r\n\r\n", ok + empty},
		{"path is made normal, query and its dots are not", "GET /a//b/../%61%2Fc?x=/../y HTTP/1.1\r\nhost: shop\r\nX-Request-Id: r\r\n\r\n", []string{ok},
			"GET /a/a/c?x=/../y HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", ok},
		{"fragment", "GET /admin#x HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", []string{ok},
			"GET /admin HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", ok},
		{"absolute form", "GET HTTP://Shop:80?q HTTP/1.1\r\nHost: shop:80\r\nX-Request-Id: r\r\n\r\n", []string{ok},
			"GET /?q HTTP/1.1\r\nHost: shop:80\r\nX-Request-Id: r\r\n\r\n", ok},
		{"empty line before", "\r\nGET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", []string{ok},
			"GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", ok},
		{"body by length", "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 05\r\nX-Request-Id: r\r\n\r\nhello", []string{ok},
			"POST / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\nContent-Length: 5\r\n\r\nhello", ok},
		{"empty body stays announced", "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\nContent-Length: 0\r\nX-Request-Id: r\r\n\r\n", []string{ok},
			"POST / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\nContent-Length: 0\r\n\r\n", ok},
		{"chunks, written anew", "POST / HTTP/1.1\r\nHost: shop\r\ntransfer-encoding: Chunked\r\nX-Request-Id: r\r\n\r\n005;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", []string{ok},
			"POST / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n", ok},
		{"trailers", "POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nTE: trailers, deflate\r\nX-Request-Id: r\r\n\r\n0\r\nX-Sum: 1\r\nX-Forwarded-Client-Cert: By=x\r\n" +
			"x_forwarded_client_cert: By=x\r\nContent-Length: 5\r\nHost: other\r\n\r\n", []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n"},
			"POST / HTTP/1.1\r\nHost: shop\r\nTE: trailers\r\nX-Request-Id: r\r\nTransfer-Encoding: chunked\r\nConnection: TE\r\n\r\n0\r\nX-Sum: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 2\r\n\r\n"},
		{"hop-by-hop", "GET / HTTP/1.1\r\nHost: shop\r\nConnection: keep-alive, X-Hop,\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nX-Hop: 1\r\nTE: gzip\r\nUpgrade: foo\r\nX-Request-Id: r\r\nX-End: 2\r\n\r\n", []string{ok},
			"GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\nX-End: 2\r\n\r\n", ok},
		{"forged identities", "GET / HTTP/1.1\r\nHost: shop\r\nX-FORWARDED-CLIENT-CERT: By=x\r\nx-forwarded-client-cert: By=y\r\nX_Forwarded_Client_Cert: z\r\nX-Forwarded.Client-Cert: z\r\nX-Forwarded-For: 1.2.3.4\r\nX-Request-Id: r\r\n\r\n", []string{ok},
			"GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 1.2.3.4\r\nX-Request-Id: r\r\n\r\n", ok},
		{"bytes over 127 in a value", "GET / HTTP/1.1\r\nHost: shop\r\nX-A: \xff\t\xe4 \r\nX-Request-Id: r\r\n\r\n", []string{ok},
			"GET / HTTP/1.1\r\nHost: shop\r\nX-A: \xff\t\xe4\r\nX-Request-Id: r\r\n\r\n", ok},
		{"client closes", "GET / HTTP/1.1\r\nHost: shop\r\nConnection: Close\r\nX-Request-Id: r\r\n\r\nGET /not-read HTTP/1.1\r\nHost: shop\r\n\r\n", []string{ok},
			"GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"},
		{"HTTP/1.0", "GET / HTTP/1.0\r\nHost: shop\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nX-Request-Id: r\r\n\r\n",
			[]string{"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n"},
			"GET / HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok"},
		{"an idle connection that the application has closed", "GET /1 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\nGET /2 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", []string{ok, "", ok},
			"GET /1 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\nGET /2 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\nGET /2 HTTP/1.1\r\nHost: shop\r\nX-Request-Id: r\r\n\r\n", ok + ok},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			app := r.script(tt.answers...)
			r.send(tt.in)
			if diff := cmp.Diff(tt.back, r.finish()); diff != "" {
				t.Errorf("back at the client (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.app, app()); diff != "" {
				t.Errorf("at the application (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAnswer has what the application answers to a request, and what the client gets.
func TestAnswer(t *testing.T) {
	const (
		get  = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
		head = "HEAD / HTTP/1.1\r\nHost: shop\r\n\r\n"
		bad  = "the application's answer is not valid HTTP"
	)
	tests := []struct{ name, request, answer, back string }{
		{"interim answers", get, "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 5\r\n\r\n" + ok,
			"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok},
		{"no reason", get, "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"},
		{"fields pass", get, "HTTP/1.1 404 Gone Away\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nx_y: z\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx",
			"HTTP/1.1 404 Gone Away\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nx_y: z\r\nContent-Length: 1\r\n\r\nx"},
		{"HEAD", head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"HEAD, chunked", head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"204 has no length", get, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", empty},
		{"304 has no body", get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
		{"ended by close", get, "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nto the end", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end"},
		{"closed after a length", get, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", ok},
		{"426", get, "HTTP/1.1 426 Upgrade Required\r\nUpgrade: foo\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 426 Upgrade Required\r\nUpgrade: foo\r\nContent-Length: 0\r\nConnection: Upgrade\r\n\r\n"},

		{"not HTTP", get, "SSH-2.0-x\r\n\r\n", bad},
		{"HTTP/2", get, "HTTP/2.0 200 OK\r\n\r\n", bad},
		{"a status that is none", get, "HTTP/1.1 20x OK\r\n\r\n", bad},
		{"a status with a sign", get, "HTTP/1.1 +20 OK\r\n\r\n", bad},
		{"a status below 100", get, "HTTP/1.1 099 OK\r\n\r\n", bad},
		{"NUL in a value", get, "HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", bad},
		{"bare line feeds", get, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", bad},
		{"folded line", get, "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", bad},
		{"two lengths", get, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", bad},
		{"length and chunks", get, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad},
		{"other encoding", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", bad},
		{"101 that nobody asked for", get, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", bad},
		{"no answer at all", "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n", "", "the application closed the connection before it answered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			app := r.script(tt.answer)
			r.send(tt.request)
			want := tt.back
			back := r.finish()
			app()
			if want == bad || tt.answer == "" {
				want = badGateway(want, r.entry().RequestID)
			}
			if diff := cmp.Diff(want, back); diff != "" {
				t.Errorf("back at the client (-want +got):\n%s", diff)
			}
		})
	}
}

func badGateway(text, id string) string {
	return ownAnswer("502 Bad Gateway", text, id, true)
}
