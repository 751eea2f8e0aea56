package podnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Do runs f in the pod's network namespace, on a thread of its own. Sockets that f makes stay in the pod; goroutines that it
// starts are elsewhere. f must not end the test.
func (p *Pod) Do(f func() error) error { return inNamespace(p.ns, f) }

// DialContext dials from the pod, as root. The address is an IP address and a port; names have no meaning in a pod.
func (p *Pod) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return p.DialAs(0)(ctx, network, address)
}

// DialAs returns a DialContext whose connections belong to a user.
func (p *Pod) DialAs(uid int) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return dialAs(ctx, p.ns, uid, network, address)
	}
}

func dialAs(ctx context.Context, ns netns.NsHandle, uid int, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dialling from a network namespace: %w", err)
	}
	var conn net.Conn
	err := inNamespace(ns, func() (err error) {
		// Only this thread's; it is what the kernel takes for the owner of a new socket.
		if err := unix.Setfsuid(uid); err != nil {
			return err
		}
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens in the pod, without Multipath TCP, as the proxy does.
func (p *Pod) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var listener net.Listener
	err := p.Do(func() (err error) {
		config := &net.ListenConfig{}
		config.SetMultipathTCP(false)
		listener, err = config.Listen(ctx, network, address)
		return err
	})
	return listener, err
}
