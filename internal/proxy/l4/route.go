package l4

import (
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/sniff"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// way is how an inbound connection goes on after the client's first bytes.
type way int

const (
	// wayNone: the client has gone.
	wayNone way = iota
	// wayMesh: a handshake decides; then HTTP or bytes.
	wayMesh
	// wayHTTP: HTTP without an identity.
	wayHTTP
	// wayBytes: bytes without an identity, after a decision.
	wayBytes
	// waySilent: the same, and the client's first bytes are looked at when they come.
	waySilent
	// wayPlaintext, wayUnheard and wayUnreadable are refused: plaintext to a STRICT port, a client that has to speak and does
	// not, and a ClientHello that could not be read.
	wayPlaintext
	wayUnheard
	wayUnreadable
)

// looks says for how long a port waits for the client's first byte; false where it does not look at all.
func looks(in *proxyconfig.Inbound, port uint16, handshake time.Duration) (time.Duration, bool) {
	switch mode := in.ModeFor(port).Mode; {
	case mode == proxyconfig.Strict:
		return handshake, true
	case mode == proxyconfig.Disable:
		return 0, false
	case in.HTTP(port):
		return unheardHTTP, true
	default:
		return max(in.WaitFor(port), leastWait), true
	}
}

const (
	// unheardHTTP is how long a client may keep a connection to an HTTP port before its first request. Browsers and pools
	// open some in advance.
	unheardHTTP = time.Minute
	// leastWait is waited even on ports where the server is known to speak first: a proxy's ClientHello comes right behind
	// the connection itself, but not with it, and a mesh client that was taken for a silent one is refused.
	leastWait = 100 * time.Millisecond
)

// route is the table of what meets what: a port's mode and protocol, and how the client begins.
//
//nolint:gocyclo // one row a case: it is to be read as a table
func route(mode proxyconfig.Mode, http bool, first sniff.First) way {
	begins := first.Kind == sniff.TLS || first.Kind == sniff.BrokenTLS
	switch {
	case mode == proxyconfig.Disable && http:
		return wayHTTP
	case mode == proxyconfig.Disable:
		return wayBytes
	case first.Kind == sniff.Closed:
		return wayNone
	case begins && (mode == proxyconfig.Strict || http):
		return wayMesh
	case mode == proxyconfig.Strict && first.Kind == sniff.Silent, http && first.Kind == sniff.Silent:
		return wayUnheard
	case mode == proxyconfig.Strict:
		return wayPlaintext
	case http:
		return wayHTTP
	case first.Kind == sniff.Silent:
		return waySilent
	case first.Kind == sniff.BrokenTLS:
		return wayUnreadable
	case first.Kind == sniff.TLS && first.Hello.Offers(naming.ALPN):
		return wayMesh
	default:
		return wayBytes
	}
}
