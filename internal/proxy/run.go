package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/certs"
	"github.com/warifu/warifu/internal/proxy/redirect"
	"github.com/warifu/warifu/internal/version"
)

// Output is where a proxy says something: its own log, and the access log.
type Output struct {
	Log    logr.Logger
	Access io.Writer
}

// drain is how long connections may take to finish when the pod ends. Kubelet grants 30 s unless the pod asks for more, and
// the application, which ends first, has had its share of them.
const drain = 15 * time.Second

// verifyTimeout bounds one look for the redirect.
const verifyTimeout = 5 * time.Second

// Run carries the pod's traffic until ctx ends; then it accepts nothing more, lets connections finish, and returns nil. Any
// error ends the process, for kubelet to start it again.
func Run(ctx context.Context, settings Settings, out Output) error {
	addresses, err := podAddresses()
	if err != nil {
		return err
	}
	// Kubelet starts no container before its volumes are there; where they are not, something is wrong that a restart shows.
	source, err := mtls.NewFileSource(settings.at(naming.TLSDir), reportTo(out.Log, "The identity cannot be renewed, and stays as it was"))
	if err != nil {
		return err
	}
	p := newProcess(settings, out, source, addresses)
	out.Log.Info("starting", "version", version.String(), "identity", settings.Identity.String(), "addresses", addresses)

	// What serves the connections outlives ctx until they have finished.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	parts := newParts(stop)
	defer parts.end()
	if err := p.begin(background, parts); err != nil {
		return err
	}
	if err := p.untilReady(ctx, parts); err != nil {
		return err
	}
	if err := p.serve(parts); err != nil {
		return err
	}
	select {
	case err := <-parts.failed:
		return err
	case <-ctx.Done():
	}
	return p.drain(ctx)
}

// begin starts what has to run before anything else: kubelet and the redirect's proof ask the admin port, and the log has a
// reader.
func (p *process) begin(ctx context.Context, parts *parts) error {
	admin, err := listen(ctx, naming.PortAdmin)
	if err != nil {
		return err
	}
	parts.run(func() error { return p.admin.Serve(ctx, admin) })
	parts.run(func() error { p.recorder.Run(ctx); return nil })
	parts.run(func() error { p.control.Run(ctx); return nil })
	parts.run(func() error { p.followConfig(ctx); return nil })
	parts.run(func() error { p.followAnswers(ctx); return nil })
	parts.run(func() error { p.handover.run(ctx); return nil })
	parts.run(func() error { certs.Watch(ctx, p.source, p.identityChanged); return nil })
	return nil
}

// untilReady returns when redirect, identity and a first configuration are there.
func (p *process) untilReady(ctx context.Context, parts *parts) error {
	p.waitsFor("the proof that the pod's traffic is redirected")
	for _, address := range p.addresses {
		if err := verify(ctx, address); err != nil {
			return err
		}
	}
	p.waitsFor("a first configuration from the control API at " + p.settings.ControlAddress)
	select {
	case <-p.configured:
		return nil
	case err := <-parts.failed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("asked to stop while waiting for %s", p.waiting())
	}
}

func verify(ctx context.Context, address netip.Addr) error {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	return redirect.Verify(ctx, address)
}

// serve opens the two ports to which the pod's traffic is redirected.
func (p *process) serve(parts *parts) error {
	inbound, err := listen(context.Background(), naming.PortInbound)
	if err != nil {
		return err
	}
	outbound, err := listen(context.Background(), naming.PortOutbound)
	if err != nil {
		return errors.Join(err, inbound.Close())
	}
	parts.run(func() error { return p.workload.ServeInbound(inbound) })
	parts.run(func() error { return p.workload.ServeOutbound(outbound) })
	p.waitsFor("")
	p.log.Info("ready")
	return nil
}

// drain ends the connections. That some had to be cut is told, and no failure: the pod's time is over.
func (p *process) drain(ctx context.Context) error {
	p.waitsFor("its end: it was asked to stop")
	p.log.Info("draining", "connections", p.workload.Open(), "atMost", drain.String())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := p.workload.Shutdown(ctx); err != nil {
		p.log.Info("ended before all connections had", "reason", err.Error())
	}
	return nil
}

// listen opens a port on every address, in IPv4 and IPv6. Multipath TCP, which Go's listeners speak by default, would hide
// where a redirected connection was going.
func listen(ctx context.Context, port uint16) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, fmt.Errorf("port %d is the proxy's: %w", port, err)
	}
	return l, nil
}

// podAddresses are the pod's own, in the order of its interfaces.
func podAddresses() ([]netip.Addr, error) {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("addresses of the pod: %w", err)
	}
	var out []netip.Addr
	for _, a := range interfaces {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
			out = append(out, prefix.Addr().Unmap())
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the pod has no address: its network is not set up")
	}
	return out, nil
}

// reportTo logs what a part tells of itself: an error, and nil when it is over.
func reportTo(log logr.Logger, trouble string) func(error) {
	return func(err error) {
		if err != nil {
			log.Info(trouble, "reason", err.Error())
			return
		}
		log.Info("what was wrong is over: " + trouble)
	}
}
