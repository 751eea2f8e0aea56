package admin

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Timeouts and bounds. A connection that does nothing is closed soon, so that what is open stays available to kubelet.
const (
	headTimeout  = 5 * time.Second
	idleTimeout  = 20 * time.Second
	writeTimeout = 15 * time.Second
	maxHead      = 8 << 10 // bytes
)

// Options are what a Server is made of. All fields are needed but Probes.
type Options struct {
	// Addresses are the pod's own; the application's probes go to the first.
	Addresses []netip.Addr
	// Probes of the application, as they stood in the pod's spec.
	Probes proxyconfig.Probes
	// Ready is nil when the proxy can do its work, and says otherwise what it waits for.
	Ready func() error
	// Metrics answers those who may read them.
	Metrics http.Handler
	// MetricsFrom are the sources that may read the metrics now, besides the pod itself.
	MetricsFrom func() []netip.Prefix
}

// Server answers on the admin port.
type Server struct {
	options Options
	prober  *prober
}

// New makes a server. It answers once Serve is called.
func New(o Options) *Server {
	return &Server{options: o, prober: newProber(o.Addresses)}
}

// Serve answers on a listener until ctx ends, and closes it. What is being answered then is broken off. An error is the
// listener's.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		// There is no limit on the whole of an answer: a hook takes as long as it takes. Each handler bounds its writing.
		ErrorLog:    log.New(io.Discard, "", 0), // what strangers send wrongly is nothing to tell
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(newLimited(l))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// ServeHTTP answers one request. Paths are compared as they are, without cleaning.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connection := http.NewResponseController(w)
	_ = connection.SetWriteDeadline(time.Now().Add(writeTimeout))
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, connection, http.StatusMethodNotAllowed, "only GET is answered here")
		return
	}
	if r.ContentLength != 0 {
		refuse(w, connection, http.StatusBadRequest, "a request without body is wanted")
		return
	}
	switch path := r.URL.Path; path {
	case naming.PathLive:
		answer(w, http.StatusOK, "ok")
	case naming.PathReady:
		s.ready(w)
	case naming.PathRedirect:
		answer(w, http.StatusOK, strings.TrimSuffix(naming.RedirectProof, "\n"))
	case naming.PathMetrics:
		s.metrics(w, r)
	default:
		probe, ok := s.options.Probes.Find(path)
		if !ok {
			answer(w, http.StatusNotFound, "nothing is answered at this path")
			return
		}
		s.probe(w, r, probe)
	}
}

func (s *Server) ready(w http.ResponseWriter) {
	if err := s.options.Ready(); err != nil {
		answer(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, http.StatusOK, "ok")
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if !s.mayReadMetrics(r.RemoteAddr) {
		answer(w, http.StatusForbidden, "this address may not read metrics: the operator's configuration lists those that may")
		return
	}
	s.options.Metrics.ServeHTTP(w, r)
}

// mayReadMetrics goes by the address of the connection: headers are the caller's to choose.
func (s *Server) mayReadMetrics(remote string) bool {
	source, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	address := source.Addr().Unmap().WithZone("")
	return address.IsLoopback() || slices.Contains(s.options.Addresses, address) ||
		slices.ContainsFunc(s.options.MetricsFrom(), func(from netip.Prefix) bool { return from.Contains(address) })
}

// probe carries out a probe or hook. Kubelet judges the two differently: a probe by the status of the answer, a hook by whether
// there was one. So a hook that got none ends without an answer, too.
func (s *Server) probe(w http.ResponseWriter, r *http.Request, probe proxyconfig.Probe) {
	connection := http.NewResponseController(w)
	ctx, hook := r.Context(), strings.HasPrefix(probe.Path, naming.PathAppLifecycle)
	if probe.TimeoutSeconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(probe.TimeoutSeconds)*time.Second)
		defer cancel()
	}
	result, err := s.prober.carryOut(ctx, probe, r.UserAgent())
	_ = connection.SetWriteDeadline(time.Now().Add(writeTimeout))
	switch {
	case err != nil && hook:
		panic(http.ErrAbortHandler)
	case err != nil:
		answer(w, http.StatusServiceUnavailable, err.Error())
	case result.failed && !hook:
		answer(w, result.status, result.text)
	default:
		answer(w, http.StatusOK, result.text)
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") //nolint:gosec // plain text, and said to be; a failure is the caller's loss
}

// refuse answers and ends the connection without waiting for the rest of the request.
func refuse(w http.ResponseWriter, connection *http.ResponseController, status int, text string) {
	_ = connection.SetReadDeadline(time.Now())
	w.Header().Set("Connection", "close")
	answer(w, status, text)
}
