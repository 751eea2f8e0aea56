package podnet

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// end is one end of a pair of links.
type end struct {
	links *netlink.Handle // of the namespace it is in
	name  string
}

// connect brings both ends up and waits until the kernel believes it: before that it loses packets, and a lost packet of IPv6's
// neighbour discovery is missed for a second.
func connect(ends ...end) error {
	for _, e := range ends {
		link, err := e.links.LinkByName(e.name)
		if err != nil {
			return fmt.Errorf("link %s: %w", e.name, err)
		}
		if err := e.links.LinkSetUp(link); err != nil {
			return fmt.Errorf("link %s: %w", e.name, err)
		}
	}
	for _, e := range ends {
		err := until(func() (bool, error) {
			link, err := e.links.LinkByName(e.name)
			return err == nil && link.Attrs().OperState == netlink.OperUp, err
		})
		if err != nil {
			return fmt.Errorf("waiting for link %s: %w", e.name, err)
		}
	}
	return nil
}

// until asks the kernel until it says yes.
func until(ok func() (bool, error)) error {
	const patience, pause = 10 * time.Second, time.Millisecond
	for start := time.Now(); time.Since(start) < patience; time.Sleep(pause) {
		if yes, err := ok(); yes || err != nil {
			return err
		}
	}
	return fmt.Errorf("not ready after %s", patience)
}

// addAddress gives a link an address, with the one at its other end or the same again.
func (e end) addAddress(own, peer netip.Addr) error {
	link, err := e.links.LinkByName(e.name)
	if err != nil {
		return fmt.Errorf("link %s: %w", e.name, err)
	}
	addr := &netlink.Addr{IPNet: single(own), Peer: single(peer)}
	if own.Is6() {
		addr.Flags = unix.IFA_F_NODAD // usable at once, without asking the neighbours
	}
	if err := e.links.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("adding the address %s to %s: %w", own, e.name, err)
	}
	// The kernel adds the routes of an IPv6 address in its own time.
	err = until(func() (bool, error) {
		routes, err := e.links.RouteGet(own.AsSlice())
		return err == nil && len(routes) == 1 && routes[0].Type == unix.RTN_LOCAL, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the address %s: %w", own, err)
	}
	return nil
}

// addRoute leads a range over a link, to the gateway if there is one.
func (e end) addRoute(to netip.Prefix, gateway netip.Addr) error {
	link, err := e.links.LinkByName(e.name)
	if err != nil {
		return fmt.Errorf("link %s: %w", e.name, err)
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       &net.IPNet{IP: to.Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), to.Addr().BitLen())},
	}
	if gateway.IsValid() {
		// The kernel takes our word for it that the gateway is there: it may not have the route to it yet.
		route.Gw, route.Flags = gateway.AsSlice(), int(netlink.FLAG_ONLINK)
	} else {
		route.Scope = netlink.SCOPE_LINK
	}
	if err := e.links.RouteAdd(route); err != nil {
		return fmt.Errorf("adding a route to %s over %s: %w", to, e.name, err)
	}
	return nil
}

func single(addr netip.Addr) *net.IPNet {
	return &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}
}
