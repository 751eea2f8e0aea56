package l4

import (
	"io"
	"net/netip"
	"testing"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// self is a world whose workload dials itself.
func self(t *testing.T, choice proxyconfig.ClientTLS) *world {
	w := out(t, func(_ *world, o *Options) {
		o.Own = func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.1") }
	})
	w.lookup.set(answer(choice, w.app.address), nil)
	return w
}

// TestSelf: a workload that calls itself passes its own inbound side, with its own identity.
func TestSelf(t *testing.T) {
	w := self(t, istioMutual(cartID))
	conn := w.dial(w.outbound)
	if got := ask(conn); got != served {
		t.Fatalf("answer %q", got)
	}
	_ = conn.CloseWrite()
	if rest, err := io.ReadAll(conn); err != nil || len(rest) != 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
	directions := map[telemetry.Direction]telemetry.Entry{}
	for range 2 {
		e := w.entry()
		directions[e.Direction] = e
	}
	in, out := directions[telemetry.Inbound], directions[telemetry.Outbound]
	if in.SourceIdentity != cartID || in.Source != addressOf(conn.LocalAddr()) || in.Destination != w.app.address || in.Verdict != telemetry.Allowed {
		t.Errorf("inbound: %+v", in)
	}
	if out.DestinationIdentity != cartID || out.Verdict != telemetry.Allowed {
		t.Errorf("outbound: %+v", out)
	}
}

// TestSelfDenied: the policies of the own inbound side hold, and a refusal looks like one.
func TestSelfDenied(t *testing.T) {
	w := self(t, disable())
	if got := ask(w.dial(w.outbound)); got != "reset" {
		t.Errorf("plaintext to the own STRICT port: %q", got)
	}
	reasons := map[string]bool{w.entry().Reason: true, w.entry().Reason: true}
	if !reasons[string(authz.ReasonPlaintextRefused)] || !reasons[string(ReasonBroken)] {
		t.Errorf("recorded %v", reasons)
	}
}

// TestSelfPlain: bytes go both ways without TLS, through the kernel's shortcut where there are many.
func TestSelfPlain(t *testing.T) {
	w := self(t, disable())
	w.mode(proxyconfig.Disable)
	if got := ask(w.dial(w.outbound)); got != served {
		t.Errorf("answer %q", got)
	}
}

// TestSelfOwnPort: nor does a workload reach its own proxy by a Service that leads there.
func TestSelfOwnPort(t *testing.T) {
	w := self(t, disable())
	w.mode(proxyconfig.Disable)
	w.lookup.set(answer(disable(), netip.AddrPortFrom(w.app.address.Addr(), naming.PortOutbound)), nil)
	if got := w.askAt(w.outbound); got != "reset" {
		t.Errorf("answer %q", got)
	}
	reasons := map[string]bool{w.entry().Reason: true, w.entry().Reason: true}
	if !reasons[string(ReasonNotRedirected)] {
		t.Errorf("recorded %v", reasons)
	}
}
