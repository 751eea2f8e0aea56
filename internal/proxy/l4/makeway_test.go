package l4

import (
	"crypto/tls"
	"testing"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/ca"
)

// TestMakeWay: after a change of the CA, sessions are asked to end to which either end has come with a certificate of the former
// one, and no others.
func TestMakeWay(t *testing.T) {
	w := newWorld(t, nil)
	w.set(func(c *proxyconfig.Config) { c.Inbound.HTTPPorts = []uint16{w.app.address.Port()} })
	next := ca.New(t)
	both := ca.Bundle(t, w.ca, next)
	w.source.Trust(both)

	// Neither end has a new certificate yet.
	former := w.session(w.ca)
	if asked := w.workload.MakeWay(); asked != 0 {
		t.Errorf("%d sessions are asked to end before there is a reason", asked)
	}
	early := w.session(next)
	w.source.Use(&mtls.Material{Certificate: next.Sign(t, ca.Template(cartID)), Bundle: both})
	late, lasting := w.session(w.ca), w.session(next)
	if asked := w.workload.MakeWay(); asked != 3 {
		t.Errorf("%d sessions are asked to end, want 3", asked)
	}
	for name, asked := range map[string]struct {
		session *session
		want    int32
	}{
		"both ends' former certificates": {former, 1}, "the own former certificate": {early, 1},
		"the peer's former certificate": {late, 1}, "new certificates alone": {lasting, 0},
	} {
		if got := asked.session.drained.Load(); got != asked.want {
			t.Errorf("%s: asked %d times, want %d", name, got, asked.want)
		}
	}
}

// session is an open one of a client whose certificate a CA has signed.
func (w *world) session(signer *ca.CA) *session {
	w.t.Helper()
	material, err := w.source.Material()
	if err != nil {
		w.t.Fatal(err)
	}
	source := signer.Source(w.t, ca.Template(payID))
	source.Trust(material.Bundle)
	config := mtls.ClientConfig(source, mtls.Verifier{Accept: mtls.OneOf(parseID(w.t, cartID))})
	config.NextProtos = []string{"warifu/1"}
	conn := tls.Client(w.dial(w.inbound), config)
	if got := ask(conn); got != "http "+payID+" ping" {
		w.t.Fatalf("answer %q", got)
	}
	return <-w.sessions
}
