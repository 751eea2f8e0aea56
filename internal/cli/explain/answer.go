package explain

import (
	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Answer is what happens, which object decided and why. Its JSON is an interface for scripts: fields are only ever added.
//
// The reasons of Inbound and Authorization are a word for programs, a colon and a sentence for people.
type Answer struct {
	Inbound       Inbound       `json:"inbound"`
	Client        Client        `json:"client"`
	Transport     Transport     `json:"transport"`
	Authorization Authorization `json:"authorization"`
	// Allowed is the whole answer: the transport is not refused and the request is authorised.
	Allowed bool `json:"allowed"`

	// From, To and Asked are the two ends and the request in words; Notes say what the question left open and how it was
	// filled in; Reports are the matches of AUDIT and dry-run policies. They stand in the text only.
	From    string         `json:"-"`
	To      string         `json:"-"`
	Asked   string         `json:"-"`
	Notes   []string       `json:"-"`
	Reports []authz.Report `json:"-"`
}

// Inbound is what the workload's port accepts.
type Inbound struct {
	Mode proxyconfig.Mode `json:"mode"`
	// Enforced is false when nothing in the workload's pod enforces Mode and the authorization policies.
	Enforced          bool   `json:"enforced"`
	NotEnforcedReason string `json:"notEnforcedReason"`
	// DecidedBy is the PeerAuthentication; nil: the built-in default.
	DecidedBy *proxyconfig.ObjectRef `json:"decidedBy"`
}

// Client is how the client begins the connection.
type Client struct {
	Mode proxyconfig.ClientMode `json:"mode"`
	// Auto is true when the mode follows from what the endpoint can do.
	Auto bool `json:"auto"`
	// DecidedBy is the DestinationRule, if one chose the mode.
	DecidedBy *proxyconfig.ObjectRef `json:"decidedBy"`
}

// Transport is how the two ends meet.
type Transport struct {
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason"`
}

// Outcome of a connection attempt.
type Outcome string

// The outcomes.
const (
	// MTLS: both ends proved a SPIFFE ID.
	MTLS Outcome = "mtls"
	// TLS reaches the application, which speaks it itself; nobody proved a SPIFFE ID.
	TLS Outcome = "tls"
	// Plaintext reaches the application.
	Plaintext Outcome = "plaintext"
	// Refused: no connection comes about.
	Refused Outcome = "refused"
)

// Authorization is what the authorization policies say.
type Authorization struct {
	Allowed bool `json:"allowed"`
	// DecidedBy is the AuthorizationPolicy (or the PeerAuthentication that refuses plaintext), if an object decided.
	DecidedBy *proxyconfig.ObjectRef `json:"decidedBy"`
	// Rule is the index in the policy's rules, or authz.NoRule.
	Rule   int    `json:"rule"`
	Reason string `json:"reason"`
}
