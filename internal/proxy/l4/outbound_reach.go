package l4

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/sniff"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// mostTries is how many endpoints are tried. Nothing was sent yet, so that another is as good.
const mostTries = 3

// reach connects to one of the endpoints and begins TLS with it where that is due.
func (d *departure) reach(answer *proxyconfig.Address) (end, *ending) {
	candidates := d.workload.candidates(answer, d.to)
	if len(candidates) == 0 {
		e := refused(ReasonNoEndpoints, fmt.Sprintf("%s has no endpoint that this client may use", named(answer.Service, d.to)))
		return nil, &e
	}
	var problems []string
	for _, endpoint := range candidates[:min(mostTries, len(candidates))] {
		choice, ok := answer.ChoiceFor(endpoint)
		if !ok {
			problems = append(problems, fmt.Sprintf("%s: the answer does not say how to begin", endpoint.Address))
			continue
		}
		config, own, e := d.clientTLS(&choice)
		if e != nil {
			return nil, e
		}
		conn, err := d.dial(endpoint.Address)
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		d.endpoint, d.choice = endpoint, &choice
		d.entry.Destination = endpoint.Address
		d.workload.affinity.remember(answer, d.to, endpoint.Address, time.Now())
		if config == nil {
			server, err := newRawEnd(conn, nil)
			if err != nil {
				e := failed(ReasonBroken, err.Error())
				return nil, &e
			}
			return server, nil
		}
		return d.shake(conn, config, own)
	}
	e := failed(ReasonEndpointUnreachable, strings.Join(problems, "; "))
	return nil, &e
}

// named is what people call an address.
func named(service string, address netip.AddrPort) string {
	if service == "" {
		return address.String()
	}
	return "Service " + service + " (" + address.String() + ")"
}

// candidates are the endpoints in the order in which to try them: the one that this workload is to stay with, and then all
// others of the address family that was dialled, each as likely as any.
func (w *Workload) candidates(answer *proxyconfig.Address, dialled netip.AddrPort) []proxyconfig.Endpoint {
	var all []proxyconfig.Endpoint
	for _, e := range answer.Endpoints {
		if e.Address.Addr().Unmap().Is4() == dialled.Addr().Unmap().Is4() {
			all = append(all, e)
		}
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // spreads load; nobody gains by guessing
	if last, ok := w.affinity.recall(answer, dialled, time.Now()); ok {
		for i, e := range all {
			if e.Address == last {
				all[0], all[i] = all[i], all[0]
				break
			}
		}
	}
	return all
}

// clientTLS is how TLS begins with an endpoint: nil where it does not. own is the material of a mesh connection.
func (d *departure) clientTLS(choice *proxyconfig.ClientTLS) (config *tls.Config, own *mtls.Material, e *ending) {
	var reason Reason
	var err error
	switch choice.Mode {
	case proxyconfig.ClientDisable:
		return nil, nil, nil
	case proxyconfig.ClientIstioMutual:
		if own, err = d.workload.material(); err != nil {
			reason, err = ReasonNoIdentity, fmt.Errorf("%w; is the certificate mounted and readable?", err)
			break
		}
		reason = ReasonNoExpectedIdentities
		config, err = d.meshClient(choice)
	case proxyconfig.ClientSimple, proxyconfig.ClientMutual:
		reason = ReasonTLSUnusable
		ctx, cancel := context.WithTimeout(context.Background(), d.workload.options.Limits.Connect)
		defer cancel()
		if config, err = d.workload.options.ClientTLS(ctx, *choice); err == nil && config == nil {
			err = errors.New("no TLS configuration")
		}
	default:
		reason, err = ReasonTLSUnusable, fmt.Errorf("mode %q is not known to this proxy", choice.Mode)
	}
	if err != nil {
		refusal := refused(reason, err.Error())
		refusal.decidedBy = choice.DecidedBy
		return nil, nil, &refusal
	}
	return config, own, nil
}

func (d *departure) meshClient(choice *proxyconfig.ClientTLS) (*tls.Config, error) {
	expected, err := identities(choice)
	if err != nil {
		return nil, err
	}
	config := mtls.ClientConfig(d.workload.options.Source, mtls.Verifier{Accept: mtls.OneOf(expected...)})
	config.ServerName, config.NextProtos = choice.SNI, []string{naming.ALPN}
	return config, nil
}

// identities are those that the server may prove. There is always one.
func identities(choice *proxyconfig.ClientTLS) ([]identity.ID, error) {
	var ids []identity.ID
	for _, name := range choice.Identities {
		id, err := identity.Parse(name)
		if err != nil {
			return nil, fmt.Errorf("expected identity: %w", err)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, errors.New("mutual TLS is due, and no identity is known that the endpoint should prove; does it have a proxy?")
	}
	return ids, nil
}

// shake is the handshake of an outbound connection.
func (d *departure) shake(socket net.Conn, config *tls.Config, own *mtls.Material) (end, *ending) {
	w, err := newWire(sniff.NewConn(socket))
	if err != nil {
		e := failed(ReasonBroken, err.Error())
		return nil, &e
	}
	conn := tls.Client(w, config)
	if e := d.workload.handshake(telemetry.Outbound, conn, w); e != nil {
		e.detail = d.endpoint.Address.String() + ": " + e.detail
		e.decidedBy = d.choice.DecidedBy
		return nil, e
	}
	d.entry.TLSVersion = versionName(conn)
	mesh := d.choice.Mode == proxyconfig.ClientIstioMutual
	if mesh {
		if d.proven, err = prove(conn, own, x509.ExtKeyUsageServerAuth); err != nil {
			e := refused(ReasonPeerNotAccepted, err.Error())
			return nil, &e
		}
		d.entry.DestinationIdentity = d.proven.id.String()
	}
	return newTLSEnd(conn, w, !mesh), nil
}
