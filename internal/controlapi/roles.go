package controlapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
)

// role is what an identity may be here.
type role string

const (
	// workload: a ServiceAccount of the mesh, for a pod of its own.
	workload role = "workload"
	// operator: another replica of the operator.
	operator role = "operator"
)

// routes say who may do what. Everything else is refused.
var routes = []struct {
	method, path string
	role         role
	serve        func(*Server, http.ResponseWriter, *http.Request, identity.ID) error
}{
	{http.MethodPost, wire.PathStream, workload, (*Server).stream},
	{http.MethodGet, wire.PathAcknowledgements, operator, (*Server).acknowledgements},
}

// roleOf is the one role of an identity.
func (s *Server) roleOf(id identity.ID) role {
	if id == s.options.Identity {
		return operator
	}
	return workload
}

// serve finds the route of a request and whether the peer may take it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	var id identity.ID
	err := error(&refusal{http.StatusForbidden, refusedRole, "no certificate was shown"})
	if r.TLS != nil {
		if id, err = mtls.PeerID(*r.TLS); err == nil {
			err = s.route(w, r, id)
		}
	}
	var no *refusal
	switch {
	case err == nil:
		return
	case !errors.As(err, &no):
		no = &refusal{http.StatusInternalServerError, refusedError, err.Error()}
	}
	s.refuse(w, r, id, no)
}

func (s *Server) route(w http.ResponseWriter, r *http.Request, id identity.ID) error {
	has := s.roleOf(id)
	for _, route := range routes {
		if route.method == r.Method && route.path == r.URL.Path && route.role == has {
			return route.serve(s, w, r, id)
		}
	}
	return &refusal{http.StatusForbidden, refusedRole, fmt.Sprintf("the role %q may not do this", has)}
}

// refusal is a request that is not served.
type refusal struct {
	status int
	// reason is one of the refused* constants.
	reason  string
	message string
}

// Error implements error.
func (r *refusal) Error() string { return r.message }

func refusef(status int, reason, format string, args ...any) *refusal {
	return &refusal{status, reason, fmt.Sprintf(format, args...)}
}

// The log of refusals is bounded, in lines a second: whoever is refused can ask as often as it likes. The metric counts all.
const (
	auditRate  = rate.Limit(10)
	auditBurst = 100
)

// retryAfter is what a replica that is busy, or behind, asks for, in seconds.
const retryAfter = "1"

// refuse answers and leaves a line for whoever audits.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, id identity.ID, no *refusal) {
	refused.WithLabelValues(no.reason).Inc()
	if s.audit.Allow() {
		s.options.Log.Info("Control API: request", "identity", id.String(), "method", r.Method, "path", cut(r.URL.Path),
			"peer", r.RemoteAddr, "verdict", "refused", "status", no.status, "reason", no.message)
	}
	w.Header().Set("Content-Type", "application/json")
	if no.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	controller := http.NewResponseController(w)
	_ = controller.SetWriteDeadline(time.Now().Add(writeTimeout))
	w.WriteHeader(no.status)
	_ = json.NewEncoder(w).Encode(wire.Refusal{Error: no.message}) // a peer that is gone wants no answer
}

// cut bounds what a log repeats of a request.
func cut(s string) string {
	const longest = 200
	if len(s) > longest {
		return s[:longest] + "…"
	}
	return s
}
