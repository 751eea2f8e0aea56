package authz

import (
	"net/http"
	"net/netip"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Request is one question: may this peer do this? A TCP connection asks it once (HTTP is nil). A port that speaks HTTP asks
// it for every request instead and never at L4, where rules with HTTP fields are read differently, see HTTPOnlyFields.
type Request struct {
	// Peer is the other end.
	Peer Peer
	// Destination is the workload's own address and port, after the redirect.
	Destination netip.AddrPort
	// SNI that the peer sent; empty without TLS.
	SNI string
	// HTTP is nil for a TCP connection.
	HTTP *HTTP
}

// Peer is what is known about the other end.
type Peer struct {
	// MTLS is true when the peer proved its identity in a mutual TLS handshake.
	MTLS bool
	// Identity is the SPIFFE ID that the peer proved, such as spiffe://cluster.local/ns/web/sa/frontend; empty without MTLS.
	Identity string
	// Address is the address of the direct TCP peer.
	Address netip.Addr
}

// HTTP is the part of a request that policies can see.
type HTTP struct {
	Method string
	// Host is the authority as the client sent it, with the port when there was one.
	Host string
	// Path as NormalizePath returned it, without query and fragment.
	Path string
	// Header keys are in canonical form.
	Header http.Header
}

// Decision is a verdict and where it comes from.
type Decision struct {
	Allowed bool
	// DecidedBy is the object that decided; nil when no policy applies. Where several ALLOW policies select the workload and
	// none matched, it is the first of them.
	DecidedBy *proxyconfig.ObjectRef
	// Rule is the index in the object's rules, or NoRule.
	Rule   int
	Reason Reason
	// Reports are the matches of AUDIT and dry-run policies, which decide nothing.
	Reports []Report
}

// NoRule is Decision.Rule when no single rule decided.
const NoRule = -1

// Reason says why a decision fell as it did. Reasons are constants so that logs, metrics and the CLI use the same words.
type Reason string

// The reasons.
const (
	// ReasonNoPolicy: no ALLOW policy selects the workload and no DENY matched.
	ReasonNoPolicy Reason = "NoPolicy"
	// ReasonAllowed: a rule of an ALLOW policy matched.
	ReasonAllowed Reason = "AllowRuleMatched"
	// ReasonDenied: a rule of a DENY policy matched.
	ReasonDenied Reason = "DenyRuleMatched"
	// ReasonNoAllowMatched: ALLOW policies select the workload and none of their rules matched.
	ReasonNoAllowMatched Reason = "NoAllowRuleMatched"
	// ReasonBrokenPolicy: a policy that could not be compiled denies what it selects.
	ReasonBrokenPolicy Reason = "PolicyNotCompiled"
	// ReasonPlaintextRefused: the port is STRICT and the peer did not prove an identity.
	ReasonPlaintextRefused Reason = "PlaintextRefused"
)

// Report is the match of an AUDIT or dry-run policy: of its first rule that matches.
type Report struct {
	Object proxyconfig.ObjectRef
	Rule   int
	Action proxyconfig.Action
	DryRun bool
}
