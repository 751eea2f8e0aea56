package l4

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// departure is a connection of the workload itself.
type departure struct {
	*flow
	generation uint64
	client     net.Conn
	to         netip.AddrPort

	state    *state
	endpoint proxyconfig.Endpoint   // zero where the connection passes through
	choice   *proxyconfig.ClientTLS // nil where the connection passes through
	proven   *proven                // nil unless the endpoint proved an identity of the mesh
}

// run handles the connection up to where a pump takes it over, or to its end.
func (d *departure) run() {
	if e := d.connect(); e != nil {
		d.end(*e)
		d.finish()
	}
}

// connect finds out where to go, goes there and starts the pump.
func (d *departure) connect() *ending {
	if d.state = d.workload.state.Load(); d.state == nil {
		e := refused(ReasonNoConfiguration, "this workload's proxy has no configuration yet")
		return &e
	}
	answer, err := d.lookUp()
	switch {
	case err != nil && d.state.inCluster(d.to.Addr()):
		e := refused(ReasonControlUnavailable, fmt.Sprintf(
			"%s is within the cluster's ranges and nobody could be asked what it is: %v; is the control plane running?", d.to, err))
		return &e
	case err != nil, !answer.Known:
		return d.passThrough()
	}
	d.entry.Service = answer.Service
	server, e := d.reach(&answer)
	if e != nil {
		return e
	}
	return d.start(server, ReasonConnected)
}

func (d *departure) lookUp() (proxyconfig.Address, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.workload.options.Limits.Connect)
	defer cancel()
	return d.workload.options.Lookup.Address(ctx, d.to)
}

// passThrough is for addresses of nobody in the cluster.
func (d *departure) passThrough() *ending {
	conn, err := d.dial(d.to)
	if err != nil {
		e := failed(ReasonEndpointUnreachable, err.Error())
		return &e
	}
	server, err := newRawEnd(conn, nil)
	if err != nil {
		e := failed(ReasonBroken, err.Error())
		return &e
	}
	return d.start(server, ReasonPassedThrough)
}

// start settles the flow and hands it to a pump.
func (d *departure) start(server end, reason Reason) *ending {
	client, err := newRawEnd(d.client, nil)
	if err != nil {
		e := failed(ReasonBroken, err.Error())
		return &e
	}
	d.decided(authz.Decision{Reason: authz.Reason(reason), Rule: authz.NoRule})
	if d.choice != nil {
		d.entry.DecidedBy = d.choice.DecidedBy
	}
	d.settle(d.generation, d.again)
	d.carry(client, server, d.proven.expiry())
	return nil
}

// dial connects to an address, in the process where it is the workload's own. The end of the flow resets the connection.
func (d *departure) dial(to netip.AddrPort) (net.Conn, error) {
	if d.workload.options.Own(to.Addr()) {
		conn, err := d.workload.handOff(d.from, to)
		if err == nil {
			d.attach(conn)
		}
		return conn, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.workload.options.Limits.Connect)
	defer cancel()
	conn, err := d.workload.options.Dial(ctx, to)
	if err == nil {
		d.attach(conn)
	}
	return conn, err
}
