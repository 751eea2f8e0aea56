package l4

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/http"
	"github.com/warifu/warifu/internal/proxy/sniff"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// arrival is a connection of one of the workload's clients.
type arrival struct {
	*flow
	generation uint64
	socket     net.Conn
	to         netip.AddrPort

	state  *state
	conn   *sniff.Conn
	mode   proxyconfig.PortMode
	http   bool
	sni    string
	tls    *tls.Conn // nil without mesh TLS
	wire   *wire     // below tls
	proven *proven   // nil without mesh TLS
}

// run handles the connection up to where a pump takes it over, or to its end.
func (a *arrival) run() {
	if !a.admit() {
		a.finish()
	}
}

// admit says whether a pump has taken the connection over.
func (a *arrival) admit() bool {
	if a.state = a.workload.state.Load(); a.state == nil {
		a.end(refused(ReasonNoConfiguration, "this workload's proxy has no configuration yet"))
		return false
	}
	in := &a.state.config.Inbound
	a.mode, a.http = in.ModeFor(a.to.Port()), in.HTTP(a.to.Port())
	a.conn = sniff.NewConn(a.socket)
	first, err := a.look(in)
	if err != nil {
		a.end(failed(ReasonBroken, err.Error()))
		return false
	}
	a.sni = first.Hello.ServerName
	switch route(a.mode.Mode, a.http, first) {
	case wayMesh:
		return a.shake() && a.goOn()
	case wayHTTP:
		return a.goOn()
	case wayBytes:
		if first.Kind == sniff.TLS {
			a.entry.Protocol = "tls"
		}
		return a.goOn()
	case waySilent:
		return a.bytes(a.late())
	case wayPlaintext:
		a.end(deniedBy(authz.Decision{Reason: authz.ReasonPlaintextRefused, DecidedBy: a.mode.DecidedBy, Rule: authz.NoRule}))
	case wayUnheard:
		a.end(refused(ReasonSilent, "the client sent nothing, and on this port clients speak first"))
	case wayUnreadable:
		a.end(refused(ReasonHelloUnreadable, first.Problem.Error()+"; if the client does not speak TLS, make the port's mode DISABLE"))
	case wayNone:
		a.unrecorded = true
	}
	return false
}

func (a *arrival) look(in *proxyconfig.Inbound) (sniff.First, error) {
	limit := a.workload.options.Limits.Handshake
	wait, looks := looks(in, a.to.Port(), limit)
	if !looks {
		return sniff.First{}, nil
	}
	return a.conn.Look(sniff.Patience{First: wait, Hello: limit})
}

// goOn follows when it is known who the client is, as far as it said so.
func (a *arrival) goOn() bool {
	if a.http {
		a.serveHTTP()
		return false
	}
	if a.tls != nil {
		return a.bytes(newTLSEnd(a.tls, a.wire, false), nil)
	}
	conn, held := a.conn.Release()
	return a.bytes(newRawEnd(conn, held))
}

// serveHTTP blocks until the session has ended. Who may do what is decided for every request.
func (a *arrival) serveHTTP() {
	a.unrecorded = true
	c := http.Connection{Conn: a.conn, Peer: a.peer(), SNI: a.sni, Destination: a.to}
	if a.tls != nil {
		c.Conn, c.Certificate = a.tls, a.proven.chain[0]
		c.TLSVersion, c.Expires = a.entry.TLSVersion, a.proven.expires
	}
	session := a.workload.options.OpenHTTP(c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a.mu.Lock()
	a.session, a.proof, a.cancel = session, a.proven, cancel
	a.mu.Unlock()
	if a.hasEnded() {
		cancel()
	}
	a.settle(a.generation, a.again)
	if a.workload.isEnding() {
		session.Drain()
	}
	if err := session.Serve(ctx); err != nil {
		a.mark(failed(ReasonBroken, err.Error()))
	}
}

// bytes decides, connects to the application and starts the pump.
func (a *arrival) bytes(client end, err error) bool {
	if err != nil {
		a.end(failed(ReasonBroken, err.Error()))
		return false
	}
	d := a.state.engine.Decide(a.request())
	if !d.Allowed {
		a.end(deniedBy(d))
		return false
	}
	a.decided(d)
	app, err := a.dial()
	if err != nil {
		a.end(failed(ReasonAppUnreachable, err.Error()+"; does the application listen on the pod's address and not on 127.0.0.1 alone?"))
		return false
	}
	a.settle(a.generation, a.again)
	a.carry(client, app, a.proven.expiry())
	return true
}

func (a *arrival) dial() (*rawEnd, error) {
	ctx, cancel := context.WithTimeout(context.Background(), a.workload.options.Limits.Connect)
	defer cancel()
	conn, err := a.workload.options.Dial(ctx, a.to)
	if err != nil {
		return nil, err
	}
	a.attach(conn)
	return newRawEnd(conn, nil)
}

func (a *arrival) peer() authz.Peer {
	peer := authz.Peer{Address: a.from.Addr()}
	if a.proven != nil {
		peer.MTLS, peer.Identity = true, a.proven.id.String()
	}
	return peer
}

func (a *arrival) request() authz.Request {
	return authz.Request{Peer: a.peer(), Destination: a.to, SNI: a.sni}
}
