package wire

import (
	"time"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Paths of the control API.
const (
	// PathStream takes one long POST of a proxy.
	PathStream = "/v1/stream"
	// PathAcknowledgements tells another replica what the proxies of this one have in force.
	PathAcknowledgements = "/v1/acknowledgements"
)

// LinesType is the content type of both bodies of a stream: JSON, one object a line.
const LinesType = "application/jsonl"

// Bounds of one line in bytes. An Ask names at most a few hundred addresses; a Tell carries all policies of a workload,
// each of which is bounded by what an API server stores.
const (
	MaxAsk  = 256 << 10
	MaxTell = 32 << 20
	// MaxError bounds the body of an answer that refuses.
	MaxError = 4 << 10
)

// Times of a stream.
const (
	// SignOfLife is how often the server says something at least; Silence is when a proxy gives a server up.
	SignOfLife = 10 * time.Second
	Silence    = 3 * SignOfLife
	// CatchUp is how long a replica may take to reach what a proxy has seen elsewhere, before it refuses.
	CatchUp = 5 * time.Second
)

// Refusal is the body of an answer that refuses.
type Refusal struct {
	Error string `json:"error"`
}

// Acknowledgements are what the proxies of one replica have in force.
type Acknowledgements struct {
	// Replica is a name that the process made up: whoever asks all replicas asks itself too.
	Replica string `json:"replica"`
	// Observed is what the replica has taken in.
	Observed proxyconfig.AsOf `json:"observed"`
	// Proxies by pod: namespace/name/uid.
	Proxies map[string]Acknowledgement `json:"proxies"`
}

// Acknowledgement is how far one proxy is.
type Acknowledgement struct {
	// InForce is what the configuration takes in that the proxy enforces, with all that it was told besides.
	InForce proxyconfig.AsOf `json:"inForce,omitempty"`
	// Rejected is why the proxy could not put the newest configuration in force.
	Rejected string `json:"rejected,omitempty"`
}
