package failure_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/warifu/warifu/internal/pki"
)

// apiServer stands between operators and the API server: it does to requests what its faults say, and keeps account of
// the writes that succeeded and of what was read.
type apiServer struct {
	url    string
	ca     []byte // PEM, by which the proxy is known
	server *httptest.Server
	real   *httputil.ReverseProxy
	// secretBytes is what the API server has sent about Secrets.
	secretBytes atomic.Int64

	mu        sync.Mutex
	faults    []*fault
	writes    []string // "METHOD path"
	lastWrite time.Time
}

// fault is what happens to some requests.
type fault struct {
	to match
	// times is how often it happens; 0 is until it is lifted.
	times int
	does  func(w http.ResponseWriter, r *http.Request, real http.Handler)
	hits  int
}

// match selects requests.
type match func(*http.Request) bool

// newAPIServer is a proxy without faults, for the life of the test.
func (in installed) newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	target, err := url.Parse(in.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	if target.Scheme == "" {
		target = &url.URL{Scheme: "https", Host: in.Config.Host}
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(in.Config))
	if err != nil {
		t.Fatal(err)
	}
	a := &apiServer{lastWrite: time.Now()}
	a.real = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      transport,
		FlushInterval:  -1, // watches
		ModifyResponse: a.account,
		ErrorLog:       log.New(io.Discard, "", 0), // clients that are killed
	}
	a.server = httptest.NewUnstartedServer(a)
	a.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	a.server.EnableHTTP2 = true
	a.server.StartTLS() // a kubeconfig's token is used over TLS only
	a.url, a.ca = a.server.URL, pki.EncodeCertificates(a.server.Certificate())
	t.Cleanup(func() {
		a.server.CloseClientConnections()
		a.server.Close()
	})
	return a
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := a.faultOf(r); f != nil {
		f.does(w, r, a.real)
		return
	}
	a.real.ServeHTTP(w, r)
}

func (a *apiServer) faultOf(r *http.Request) *fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.faults {
		if f.to(r) && (f.times == 0 || f.hits < f.times) {
			f.hits++
			return f
		}
	}
	return nil
}

// account sees every answer of the API server.
func (a *apiServer) account(response *http.Response) error {
	r := response.Request
	if strings.Contains(r.URL.Path, "/secrets") {
		response.Body = &counted{response.Body, &a.secretBytes}
	}
	if isWrite(r) && response.StatusCode < 300 {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.writes = append(a.writes, r.Method+" "+r.URL.Path)
		a.lastWrite = time.Now()
	}
	return nil
}

// have puts faults in force instead of those before.
func (a *apiServer) have(faults ...*fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = faults
}

// hits is how often a fault has happened.
func (a *apiServer) hits(f *fault) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return f.hits
}

// forget begins a new account of writes.
func (a *apiServer) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writes = nil
}

// succeeded are the writes since forget.
func (a *apiServer) succeeded() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.writes)
}

// isQuiet waits until nothing has been written for a moment.
func (a *apiServer) isQuiet(t *testing.T) {
	t.Helper()
	eventually(t, "the operator comes to rest", func(context.Context) string {
		a.mu.Lock()
		defer a.mu.Unlock()
		if since := time.Since(a.lastWrite); since < 400*time.Millisecond {
			return fmt.Sprintf("writing: %v", a.writes[max(0, len(a.writes)-5):])
		}
		return ""
	})
}

// hangUp ends every connection, and with them every watch.
func (a *apiServer) hangUp() { a.server.CloseClientConnections() }

// isWrite: it changes what is stored, other than who leads and what happened.
func isWrite(r *http.Request) bool {
	return isMutation(r) && !ofLease(r) && !strings.Contains(r.URL.Path, "/events")
}

func isMutation(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "reviews")
}

func ofLease(r *http.Request) bool { return strings.Contains(r.URL.Path, "/leases") }

func isWatch(r *http.Request) bool { return r.URL.Query().Get("watch") != "" }

func always(*http.Request) bool { return true }

// request matches a method and a path.
func request(method, path string) match {
	expression := regexp.MustCompile("^" + path + "$")
	return func(r *http.Request) bool { return r.Method == method && expression.MatchString(r.URL.Path) }
}

// answer answers with an error of the API server's.
func answer(code int, reason, message string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		if code == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":%q,"code":%d}`, reason, message, code)
	}
}

// late passes a request on after a while.
func late(by time.Duration) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		select {
		case <-time.After(by):
			real.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}
}

// noAnswer breaks the connection.
func noAnswer(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// doneWithoutAnswer carries the request out and breaks the connection.
func doneWithoutAnswer(_ http.ResponseWriter, r *http.Request, real http.Handler) {
	real.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
	panic(http.ErrAbortHandler)
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	sum *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sum.Add(int64(n))
	return n, err
}
