package controlapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Compiler is what is asked about workloads: a policy.Index.
type Compiler interface {
	Compile(name types.NamespacedName) (*proxyconfig.Config, bool)
	Lookup(client policy.Workload, to netip.AddrPort) proxyconfig.Address
	Workload(name types.NamespacedName) (policy.Workload, bool)
}

// Feed tells of the changes of the index, and how much of the cluster's history it has taken in.
type Feed interface {
	// Listen has a function called with every change, which must not block. It comes before AsOf names the change.
	Listen(listener func(policy.Change))
	WaitForSync(ctx context.Context) error
	AsOf() proxyconfig.AsOf
	Reached(seen proxyconfig.AsOf) bool
}

// Options of a Server.
type Options struct {
	// Address to listen on, host:port. Listener, where there is one, is used instead.
	Address  string
	Listener net.Listener
	// Identity is what the server proves, and what other replicas prove to it.
	Identity identity.ID
	// Source is the certificate of Identity and the roots of the trust domain.
	Source mtls.Source
	Index  Compiler
	Feed   Feed
	// API takes reviews of tokens and of access; Secrets are read from the API server itself.
	API     Creator
	Secrets Getter
	Log     logr.Logger
}

// Limits of one replica. A stream costs some tens of kilobytes.
const (
	maxStreams       = 20_000
	maxHeader        = 24 << 10
	headerTimeout    = 10 * time.Second
	idleTimeout      = time.Minute
	pingAfter        = 15 * time.Second
	streamsPerClient = 8
)

// Server serves the control API. It runs on every replica.
type Server struct {
	options   Options
	replica   string
	hub       *hub
	reviewer  *reviewer
	secrets   *secretReader
	audit     *rate.Limiter
	turns     *turns
	patience  time.Duration // to catch up
	streams   atomic.Int64
	listening atomic.Bool
}

// NewServer listens to the feed from now on. It serves in Start.
func NewServer(o Options) *Server {
	s := &Server{
		options:  o,
		replica:  string(uuid.NewUUID()),
		hub:      newHub(),
		reviewer: newReviewer(o.API),
		secrets:  newSecretReader(o.API, o.Secrets),
		audit:    rate.NewLimiter(auditRate, auditBurst),
		turns:    newTurns(),
		patience: wire.CatchUp,
	}
	o.Feed.Listen(s.hub.mark)
	return s
}

// NeedLeaderElection is false: every replica serves.
func (s *Server) NeedLeaderElection() bool { return false }

// Ready is nil once connections are taken. Whether there is a certificate does not count: it comes from the workload CA, and a
// replica that is not ready does not serve admission either, which depends on that CA in nothing.
func (s *Server) Ready(*http.Request) error {
	if !s.listening.Load() {
		return errors.New("the control API does not listen yet")
	}
	return nil
}

// Start serves until ctx ends, from when the index is complete.
func (s *Server) Start(ctx context.Context) error {
	if s.options.Feed.WaitForSync(ctx) != nil {
		return nil // the process stops
	}
	listener := s.options.Listener
	if listener == nil {
		var err error
		if listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.Address); err != nil {
			return fmt.Errorf("control API: %w", err)
		}
	}
	config := mtls.ServerConfig(s.options.Source, mtls.Verifier{Accept: mtls.Member(s.options.Identity.TrustDomain())})
	config.NextProtos = []string{"h2"}
	shaken := newHandshakes(listener, config, s.options.Log)
	server := s.httpServer(ctx)
	context.AfterFunc(ctx, func() {
		// Streams end with ctx; nothing else takes long.
		_ = shaken.Close()
		_ = server.Close()
	})
	s.listening.Store(true)
	defer s.listening.Store(false)
	if err := server.Serve(shaken); !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		return fmt.Errorf("control API: %w", err)
	}
	return nil
}

// httpServer speaks HTTP/2 alone, on connections that have shaken hands. A peer that is gone is noticed by pings.
func (s *Server) httpServer(ctx context.Context) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		Protocols:         &protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          quiet(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          streamsPerClient,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			SendPingTimeout:               pingAfter,
			PingTimeout:                   pingAfter,
			WriteByteTimeout:              writeTimeout,
		},
	}
}
