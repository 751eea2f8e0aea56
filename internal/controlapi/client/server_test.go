package client

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// fixed is an mtls.Source that does not change.
type fixed struct{ material *mtls.Material }

func (f fixed) Material() (*mtls.Material, error) { return f.material, nil }

// scripted is a control API that says what a test has it say.
type scripted struct {
	t        testing.TB
	ca       *pki.CA
	address  string
	identity identity.ID
	// asks are the lines that came; tells are sent to whoever is connected.
	asks  chan *proxyconfig.Ask
	tells chan string

	// shown counts the certificates that clients have shown.
	shown atomic.Int32

	mu       sync.Mutex
	requests int
	status   int
}

func id(t testing.TB, namespace, account string) identity.ID {
	t.Helper()
	out, err := identity.New("cluster.local", namespace, account)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (s *scripted) source(of identity.ID) mtls.Source {
	s.t.Helper()
	key, err := pki.NewKey(pki.ECDSAP256)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := s.ca.SignWorkload(pki.WorkloadRequest{ID: of, PublicKey: key.Public(), Lifetime: time.Hour}, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	material, err := mtls.ParseMaterial(pki.EncodeCertificates(cert), keyPEM, pki.EncodeCertificates(s.ca.Roots...))
	if err != nil {
		s.t.Fatal(err)
	}
	return fixed{material}
}

// newScripted serves as an identity.
func newScripted(t testing.TB, as identity.ID) *scripted {
	t.Helper()
	ca, err := pki.NewCA(pki.CAOptions{CommonName: "test", Algorithm: pki.ECDSAP256, Lifetime: time.Hour}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{
		t: t, ca: ca, identity: as, status: http.StatusOK,
		asks: make(chan *proxyconfig.Ask, 1000), tells: make(chan string, 100),
	}
	config := mtls.ServerConfig(s.source(as), mtls.Verifier{Accept: mtls.Member("cluster.local")})
	config.NextProtos = []string{"h2"}
	judge := config.VerifyConnection
	config.VerifyConnection = func(state tls.ConnectionState) error {
		s.shown.Add(1)
		return judge(state)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(s.serve), ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = <-ended
	})
	return s
}

func (s *scripted) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	status := s.status
	s.mu.Unlock()
	if status != http.StatusOK {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"error":"not now"}`))
		return
	}
	go func() {
		lines := wire.NewLines(r.Body, wire.MaxAsk)
		for {
			line, err := lines.Next()
			if err != nil {
				return
			}
			ask, err := wire.DecodeAsk(line)
			if err != nil {
				s.t.Errorf("%s: %v", line, err)
				return
			}
			s.asks <- ask
		}
	}()
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	for {
		_ = control.Flush()
		select {
		case <-r.Context().Done():
			return
		case line := <-s.tells:
			if line == "" { // the end of the stream
				return
			}
			_, _ = w.Write([]byte(line + "\n"))
		}
	}
}

// client is a running client that expects a server of an identity.
func (s *scripted) client(expect identity.ID, o Options) *Client {
	s.t.Helper()
	o.Address, o.Server, o.Source = s.address, expect, s.source(id(s.t, "shop", "cart"))
	o.Token, o.Log = func() (string, error) { return "token", nil }, logr.Discard()
	c := New(o)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		c.Run(ctx)
		close(done)
	}()
	s.t.Cleanup(func() {
		stop()
		<-done
	})
	return c
}

// asked waits for a line that meets a condition.
func (s *scripted) asked(met func(*proxyconfig.Ask) bool) *proxyconfig.Ask {
	s.t.Helper()
	for timeout := time.After(20 * time.Second); ; {
		select {
		case ask := <-s.asks:
			if met(ask) {
				return ask
			}
		case <-timeout:
			s.t.Fatal("it was not asked in time")
		}
	}
}

func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !met(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

const configLine = `{"revision":%d,"asOf":{"Pod":5},"config":{"version":1,"identity":"spiffe://cluster.local/ns/shop/sa/cart","trustDomains":["cluster.local"],` +
	`"inbound":{"default":{"mode":%q}},"outbound":{},"telemetry":{"accessLogPercent":0}}}`

// TestNothingIsSentToAnotherServer: a server of the same mesh that is not the control API sees neither request, nor token, nor
// the workload's certificate.
func TestNothingIsSentToAnotherServer(t *testing.T) {
	s := newScripted(t, id(t, "warifu-system", "impostor"))
	c := s.client(id(t, "warifu-system", "warifu-operator"), Options{})
	dialled := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_, err := c.Address(ctx, netip.MustParseAddrPort("192.0.2.1:80"))
		dialled <- err
	}()
	if err := <-dialled; err == nil {
		t.Error("an impostor has answered")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests > 0 || s.shown.Load() > 0 || c.Connected() {
		t.Errorf("%d requests, %d certificates were shown to an impostor", s.requests, s.shown.Load())
	}
}
