package telemetry

import (
	"net/netip"
	"time"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Direction of a connection, seen from the workload.
type Direction string

// The directions.
const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
)

// Verdict is how a connection or a request ended.
type Verdict string

// The verdicts.
const (
	// Allowed: it was carried out.
	Allowed Verdict = "allowed"
	// Denied: an authorization policy refused it.
	Denied Verdict = "denied"
	// Refused: the transport refused it, before any authorization policy: a mode, a handshake, an unknown address.
	Refused Verdict = "refused"
	// Failed: it was allowed and did not work: nobody listens, or an end broke off.
	Failed Verdict = "failed"
	// Revoked: it was allowed when it began, and a change of policy or trust ended it.
	Revoked Verdict = "revoked"
)

// Entry is what there is to say about one connection or, on a port that speaks HTTP, one request. It is both a line of the
// access log and the source of the counters.
type Entry struct {
	Start     time.Time
	Duration  time.Duration
	Direction Direction
	// Protocol is tcp, tls (an application's own, passed through), http/1.1 or h2.
	Protocol string
	// Source and Destination are the two ends: addresses, and the identity that was proven; "" where none was.
	Source, Destination                 netip.AddrPort
	SourceIdentity, DestinationIdentity string
	// Service dialled, namespace/name, of an outbound connection through one.
	Service string
	// TLSVersion such as TLS1.3; "" for plaintext.
	TLSVersion string
	Verdict    Verdict
	// Reason is a word for programs (an authz.Reason or one of the proxy's own), Detail a sentence for people: what happened
	// and what to do.
	Reason string
	Detail string
	// DecidedBy and Rule say which object and rule decided; nil and authz.NoRule where none did.
	DecidedBy *proxyconfig.ObjectRef
	Rule      int
	// Reports are the matches of AUDIT and dry-run policies.
	Reports []authz.Report
	// Sent and Received are bytes as the workload's application sees them.
	Sent, Received int64

	// Of an HTTP request.
	Method, Host, Path string
	Status             int
	RequestID          string
}

// isRequest tells an HTTP request, however broken, from a connection.
func (e *Entry) isRequest() bool {
	return e.Protocol == "http/1.1" || e.Protocol == "h2" || e.Status != 0 || e.Method != ""
}
