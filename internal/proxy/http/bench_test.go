package http

import (
	"crypto/x509/pkix"
	"io"
	"net"
	"testing"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

const browserGet = "GET /api/v1/items?page=2 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nX-Request-Id: 6f1c2f9a-7a2b-4f57-9c0f-2d1a3f1f9f10\r\n\r\n"

// BenchmarkGet is one small request and its answer through a session over loopback, with an identity passed on and a policy
// of methods and paths. Client and application only read and write what they know by heart.
func BenchmarkGet(b *testing.B) {
	engine, err := authz.Compile(proxyconfig.Inbound{
		Default: proxyconfig.PortMode{Mode: proxyconfig.Strict},
		Policies: []proxyconfig.Policy{{
			Object: proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "shop", Name: "cart"},
			Action: proxyconfig.Allow,
			Rules: []proxyconfig.Rule{{
				From: []proxyconfig.Source{{Namespaces: []string{"web"}}},
				To:   []proxyconfig.Operation{{Methods: []string{"GET"}, Paths: []string{"/api/*"}}},
			}},
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	cert := certificate(b, pkix.Name{})
	r := newRig(b, func(_ *rig, o *Options, c *Connection) {
		o.Decide, o.ReadsHeaders = engine.Decide, engine.ReadsHeaders
		c.Certificate, c.Peer.MTLS, c.Peer.Identity = cert, true, frontend
	})
	go answerAll(r.app)
	answer := make([]byte, len(ok))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.WriteString(r.client, browserGet); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(r.client, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// answerAll answers whatever arrives in one piece.
func answerAll(l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	request := make([]byte, smallBuffer)
	for {
		if _, err := conn.Read(request); err != nil {
			return
		}
		if _, err := io.WriteString(conn, ok); err != nil {
			return
		}
	}
}

// BenchmarkParse is the work on a request without its connections.
func BenchmarkParse(b *testing.B) {
	s := &Session{xfcc: "By=" + shop + ";Hash=0;Subject=\"\";URI=" + frontend}
	var x exchange
	var request request
	out := writer{}
	out.acquire()
	b.ReportAllocs()
	for b.Loop() {
		x.begin(x.start)
		if refused := request.parse(browserGet[:len(browserGet)-2]); refused != nil {
			b.Fatal(refused)
		}
		if refused := s.prepare(&x, request.method, request.host, request.target, request.fields); refused != nil {
			b.Fatal(refused)
		}
		request.fields = x.fields
		out.buf = out.buf[:0]
		request.write(&out, &x)
	}
}
