package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Bridge is the name of the switch's bridge, Port that of a node's interface.
const (
	Bridge = "switch"
	Port   = "eth0"
)

// ConnectMachine makes a bridge in the switch's network and connects the machine to it by an interface of that name and
// address. The bridge is not in the machine's network, where rules of a firewall would apply to what nodes send each other.
func ConnectMachine(hub Process, link string, address netip.Prefix) error {
	inside, err := open(hub)
	if err != nil {
		return err
	}
	defer inside.Close()
	if err := inside.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: Bridge}}); err != nil {
		return fmt.Errorf("making a bridge: %w", err)
	}
	if err := up(inside, Bridge); err != nil {
		return err
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = link
	err = netlink.LinkAdd(&netlink.Veth{LinkAttrs: attributes, PeerName: link, PeerNamespace: netlink.NsPid(hub.PID)})
	if err != nil {
		return fmt.Errorf("making the interface %s: %w", link, err)
	}
	outside := &netlink.Handle{}
	return errors.Join(join(inside, link), configure(outside, link, address, nil))
}

// Connect connects a node to the switch.
func Connect(hub, node Process, name string, address netip.Prefix, routes []Route) error {
	atHub, err := open(hub)
	if err != nil {
		return err
	}
	defer atHub.Close()
	atNode, err := open(node)
	if err != nil {
		return err
	}
	defer atNode.Close()
	// The kernel takes its time to remove the network of a node that was killed.
	if former, err := atHub.LinkByName(name); err == nil {
		if err := atHub.LinkDel(former); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("cutting off the former node %s: %w", name, err)
		}
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.Namespace = name, netlink.NsPid(hub.PID)
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: Port, PeerNamespace: netlink.NsPid(node.PID)}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("connecting node %s to the switch: %w", name, err)
	}
	return errors.Join(join(atHub, name), up(atNode, "lo"), configure(atNode, Port, address, routes))
}

// WaitUnlinked waits until the machine's interface is gone: the kernel removes it some time after the switch has ended.
func WaitUnlinked(ctx context.Context, link string) error {
	for {
		_, err := netlink.LinkByName(link)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking for the interface %s: %w", link, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the interface %s is still there: %w", link, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Free says in an error which of the machine's addresses or interfaces is in the way of the network.
func Free(link string, network netip.Prefix) error {
	if _, err := netlink.LinkByName(link); err == nil {
		return fmt.Errorf("the machine has an interface %s that is not this cluster's: ip link delete %s removes it", link, link)
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("listing routes: %w", err)
	}
	for _, route := range routes {
		if route.Dst == nil {
			continue
		}
		to, ok := netip.AddrFromSlice(route.Dst.IP)
		bits, _ := route.Dst.Mask.Size()
		if ok && bits > 0 && netip.PrefixFrom(to.Unmap(), bits).Overlaps(network.Masked()) {
			return fmt.Errorf("the machine has a route to %s, and the cluster needs %s for its nodes", route.Dst, network.Masked())
		}
	}
	return nil
}

// open is access to the network of the process.
func open(p Process) (*netlink.Handle, error) {
	namespace, err := netns.GetFromPid(p.PID)
	if err != nil {
		return nil, fmt.Errorf("opening the network of process %d: %w", p.PID, err)
	}
	defer namespace.Close()
	return netlink.NewHandleAt(namespace)
}

func up(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding the interface %s: %w", name, err)
	}
	return h.LinkSetUp(link)
}

func join(h *netlink.Handle, name string) error {
	bridge, err := h.LinkByName(Bridge)
	if err != nil {
		return err
	}
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	return errors.Join(h.LinkSetMaster(link, bridge), h.LinkSetUp(link))
}

func configure(h *netlink.Handle, name string, address netip.Prefix, routes []Route) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(address)}); err != nil {
		return fmt.Errorf("giving %s the address %s: %w", name, address, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return err
	}
	for _, r := range routes {
		if err := h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(r.To), Gw: r.Via.AsSlice()}); err != nil {
			return fmt.Errorf("adding a route to %s: %w", r.To, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
