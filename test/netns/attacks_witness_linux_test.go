package netns

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// Ports of the witness.
const (
	witnessHTTP    = 8081 // declared http
	witnessStrict  = 9005 // STRICT; says again what it is told, as do the next
	witnessMembers = 9006 // for orders alone
	witnessIssuer  = 9007 // for cert-manager.io alone
	witnessLocal   = 7000 // on 127.0.0.1 alone
)

// witness stands where the application stands and keeps all that it hears: the bytes, and what net/http makes of them.
type witness struct {
	mu    sync.Mutex
	heard strings.Builder
}

func newWitness(t *testing.T, in *kubelet.Pod) *witness {
	t.Helper()
	w := &witness{}
	listen := func(address string) net.Listener { return overhearing{mustListenIn(t, in, address), w} }
	for _, address := range []string{
		fmt.Sprintf(":%d", witnessStrict), fmt.Sprintf(":%d", witnessMembers), fmt.Sprintf(":%d", witnessIssuer), fmt.Sprintf("127.0.0.1:%d", witnessLocal),
	} {
		l := listen(address)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					_, _ = io.Copy(conn, conn)
				}()
			}
		}()
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: w, Protocols: &protocols, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listen(fmt.Sprintf(":%d", witnessHTTP))) }()
	t.Cleanup(func() { _ = server.Close() })
	return w
}

func mustListenIn(t *testing.T, in *kubelet.Pod, address string) net.Listener {
	t.Helper()
	l, err := in.Net.Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Write keeps what was heard.
func (w *witness) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heard.Write(p)
}

// take is what was heard since it was asked last.
func (w *witness) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.heard.Reset()
	return w.heard.String()
}

// understood begins what net/http made of a request.
const understood = "\n>>> "

// ServeHTTP implements http.Handler. Of HTTP/2 only this can be read; of HTTP/1 the bytes are there as well.
func (w *witness) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	names := make([]string, 0, len(r.Header))
	for name, values := range r.Header {
		names = append(names, fmt.Sprintf("%s: %q", name, values))
	}
	slices.Sort(names)
	fmt.Fprintf(w, "%s%s %s %s %v %v %q\n", understood, r.Method, r.RequestURI, r.Host, names, r.Trailer, body)
	_, _ = io.WriteString(to, "served")
}

// overhearing is a listener whose connections are overheard.
type overhearing struct {
	net.Listener
	by *witness
}

// Accept implements net.Listener.
func (o overhearing) Accept() (net.Conn, error) {
	conn, err := o.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &overheard{conn, o.by}, nil
}

type overheard struct {
	net.Conn
	by *witness
}

// Read implements net.Conn.
func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.Conn.Read(p)
	_, _ = o.by.Write(p[:n])
	return n, err
}
