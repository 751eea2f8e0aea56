package http

import (
	nethttp "net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// exchange is one request and its answer, or a tunnel that began as one. It is decided when it begins, and again whenever
// policy changes while it lasts; until it has ended, its fields must not change.
type exchange struct {
	start time.Time
	// fields are what the application receives, in order, with ours.
	fields []field
	// query with its ?, as it came.
	query string
	id    string
	// abort ends the exchange at once, from any goroutine and without waiting. It is called at most once, with the session's
	// lock held, so it must not call the session back.
	abort func()

	http     authz.HTTP
	decision authz.Decision
	revoked  atomic.Bool

	status int
	// received and sent are bytes as the application sees them.
	received, sent int64
}

// target is what the application receives after the method: the path that was decided about, and the query.
func (x *exchange) target() string { return x.http.Path + x.query }

// begin makes an exchange, new or used before, ready for the next request.
func (x *exchange) begin(now time.Time) {
	x.start, x.fields, x.query, x.id = now, nil, "", ""
	x.http, x.decision = authz.HTTP{}, authz.Decision{Rule: authz.NoRule}
	x.status, x.received, x.sent = 0, 0, 0
	x.revoked.Store(false)
}

// prepare reads what a request is about and cleans its fields, in place. What cannot be read in exactly one way is refused.
// The fields are those of the head without pseudo-headers, and have valid names and values.
func (s *Session) prepare(x *exchange, method, authority, target string, fields []field) *refusal {
	x.http.Method, x.http.Host = method, authority
	switch {
	case !validName(method):
		return badRequest("the method is not a token")
	case method == nethttp.MethodConnect:
		return notSupported(nethttp.StatusMethodNotAllowed, "CONNECT is not supported")
	case authority == "":
		return badRequest("the request names no host")
	case !consistsOf(authority, hostByte):
		return badRequest("the host has characters that a host name cannot have")
	case len(target) > maxTarget:
		return tooLarge(nethttp.StatusRequestURITooLong, "the request target is too long")
	}
	target, _, _ = strings.Cut(target, "#")
	path, query := target, ""
	if q := strings.IndexByte(target, '?'); q >= 0 {
		path, query = target[:q], target[q:]
	}
	if strings.IndexByte(target, ' ') >= 0 || strings.IndexByte(target, '\t') >= 0 || !validValue(target) {
		return badRequest("the request target has a space or a control character")
	}
	path, err := authz.NormalizePath(path)
	if err != nil {
		return badRequest(err.Error())
	}
	x.http.Path, x.query = path, query
	s.clean(x, fields)
	return nil
}

// clean leaves what the application may receive and adds what is ours to say.
func (s *Session) clean(x *exchange, fields []field) {
	ids := 0
	for i := range fields {
		if f := &fields[i]; f.kind == fieldRequestID {
			ids++
			x.id = f.value
		}
	}
	keepID := ids == 1 && usableRequestID(x.id)
	kept := fields[:0]
	for _, f := range fields {
		switch f.kind {
		case dropped, fieldHost, fieldConnection, fieldTransferEncoding:
			continue
		case fieldTE:
			if !hasToken(f.value, "trailers") {
				continue
			}
			f.value = "trailers"
		case fieldRequestID:
			if !keepID {
				continue
			}
		default:
		}
		kept = append(kept, f)
	}
	if !keepID {
		x.id = newRequestID()
		kept = append(kept, field{name: nameRequestID, value: x.id, kind: fieldRequestID})
	}
	if s.xfcc != "" {
		kept = append(kept, field{name: nameXFCC, value: s.xfcc})
	}
	x.fields = kept
}

// hasToken looks for an element of a comma-separated list, in any case and whatever its parameters.
func hasToken(list, token string) bool {
	for element := range strings.SplitSeq(list, ",") {
		name, _, _ := strings.Cut(element, ";")
		if strings.EqualFold(strings.Trim(name, " \t"), token) {
			return true
		}
	}
	return false
}

// decide asks the policy of this moment. The map of fields is made only where some policy reads it; asking before and after
// keeps a policy that has just changed from deciding without them.
func (s *Session) decide(x *exchange) authz.Decision {
	request := authz.Request{Peer: s.Peer, Destination: s.Destination, SNI: s.SNI, HTTP: &x.http}
	x.http.Header = nil
	if !s.readsHeaders() {
		if decision := s.options.Decide(request); !s.readsHeaders() {
			return decision
		}
	}
	x.http.Header = header(x.fields)
	return s.options.Decide(request)
}

func (s *Session) readsHeaders() bool {
	return s.options.ReadsHeaders == nil || s.options.ReadsHeaders()
}

// admit decides a prepared exchange. From a yes until end it is open: a change of policy decides it again.
func (s *Session) admit(x *exchange) *refusal {
	for {
		before := s.generation.Load()
		x.decision = s.decide(x)
		if !x.decision.Allowed {
			return denied(Reason(x.decision.Reason))
		}
		if s.register(x, before) {
			return nil
		}
	}
}

// register opens an exchange unless policy has changed since it was decided.
func (s *Session) register(x *exchange, generation uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation.Load() != generation {
		return false
	}
	s.open[x] = struct{}{}
	return true
}

// Recheck decides every open exchange again and ends those that are no longer allowed. Call it after every change of
// policy. It is safe for concurrent use and does not wait for what it ends.
func (s *Session) Recheck() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation.Add(1)
	for x := range s.open {
		decision := s.decide(x)
		if decision.Allowed || x.revoked.Load() {
			continue
		}
		x.decision = decision
		x.revoked.Store(true)
		x.abort()
	}
}

// end closes an exchange, whether it was admitted or refused, and tells telemetry. failed is why it did not go well; nil
// when it did.
func (s *Session) end(x *exchange, failed *refusal) {
	s.mu.Lock()
	delete(s.open, x)
	s.mu.Unlock()
	entry := s.entry
	entry.Start, entry.Duration = x.start, time.Since(x.start)
	entry.Method, entry.Host, entry.Path = x.http.Method, x.http.Host, x.http.Path
	entry.Status, entry.RequestID = x.status, x.id
	entry.Sent, entry.Received = x.sent, x.received
	entry.Verdict, entry.Reason = telemetry.Allowed, string(x.decision.Reason)
	entry.DecidedBy, entry.Rule, entry.Reports = x.decision.DecidedBy, x.decision.Rule, x.decision.Reports
	switch {
	case x.revoked.Load():
		entry.Verdict, entry.Detail = telemetry.Revoked, "a change of policy ended what had been allowed"
	case failed != nil:
		entry.Verdict, entry.Reason, entry.Detail = failed.verdict, string(failed.reason), failed.detail
	}
	s.record(entry)
}
