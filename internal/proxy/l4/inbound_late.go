package l4

import (
	"io"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/sniff"
)

// lateEnd is a client that was silent for so long that it was taken for one that waits for the server. Its first bytes are
// looked at when they come, before any of them reaches the application.
type lateEnd struct {
	*rawEnd
	arrival *arrival
	looked  bool
}

func (a *arrival) late() (end, error) {
	raw, err := newRawEnd(a.socket, nil)
	return &lateEnd{rawEnd: raw, arrival: a}, err
}

func (e *lateEnd) read() (*chunk, int, error) {
	if !e.looked {
		e.looked = true
		if err := e.look(); err != nil {
			return nil, 0, err
		}
	}
	return e.rawEnd.read()
}

// look waits without limit for the first byte; silence is the pump's matter.
func (e *lateEnd) look() error {
	a := e.arrival
	first, err := a.conn.Look(sniff.Patience{Hello: a.workload.options.Limits.Handshake})
	if err != nil {
		return err
	}
	var refusal ending
	switch {
	case first.Kind == sniff.Closed:
		return io.EOF
	case first.Kind == sniff.BrokenTLS:
		refusal = refused(ReasonHelloUnreadable, first.Problem.Error()+"; if the client does not speak TLS, make the port's mode DISABLE")
		return &refusal
	case first.Kind == sniff.TLS && first.Hello.Offers(naming.ALPN):
		refusal = refused(ReasonLateHello, "mesh TLS began when the connection had been taken for plaintext; let the port wait for longer, or make it STRICT")
		return &refusal
	case first.Kind == sniff.TLS:
		a.entry.Protocol = "tls"
		// Policies may ask for the SNI, which was not known when the connection was decided about.
		if err := a.named(first.Hello.ServerName); err != nil {
			return err
		}
	}
	_, e.prefix = a.conn.Release()
	return nil
}

// named decides again now that the SNI is known.
func (a *arrival) named(sni string) error {
	a.mu.Lock()
	a.sni = sni
	request := a.request()
	a.mu.Unlock()
	if d := a.workload.Decide(request); !d.Allowed {
		e := deniedBy(d)
		return &e
	}
	return nil
}
