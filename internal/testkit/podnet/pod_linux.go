package podnet

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// gateways are the node's addresses on every pod's link, which no pod has to know apart.
var gateways = []netip.Addr{netip.MustParseAddr("169.254.1.1"), linkLocal}

// podInterface is what a pod's interface is called.
const podInterface = "eth0"

// Pod is a network namespace with an IPv4 and an IPv6 address. Its methods may be called by many goroutines.
type Pod struct {
	Name       string
	IPv4, IPv6 netip.Addr

	node    *Node
	index   int
	ns      netns.NsHandle
	link    string // the node's end
	removed sync.Once
}

// Pod makes a pod, which is gone when the test has ended. With more addresses it is reached at these too; outside of Node.Pods
// they make it a host outside the cluster.
func (n *Node) Pod(t testing.TB, name string, more ...netip.Addr) *Pod {
	t.Helper()
	index, err := n.reserve()
	if err != nil {
		t.Fatalf("pod %s: %v", name, err)
	}
	p := &Pod{Name: name, node: n, index: index, link: fmt.Sprintf("pod%d", index)}
	p.IPv4, p.IPv6 = n.addresses(byte(index))
	// As container runtimes do, pods may listen on any port without privileges.
	if p.ns, err = newNamespace(map[string]string{"ipv4/ip_unprivileged_port_start": "0"}); err != nil {
		t.Fatalf("pod %s: %v", name, err)
	}
	t.Cleanup(p.Remove)
	if err := p.plug(append([]netip.Addr{p.IPv4, p.IPv6}, more...)); err != nil {
		t.Fatalf("pod %s: %v", name, err)
	}
	return p
}

// Remove takes the pod off the network at once; processes that are still in it go on. It may be called again.
func (p *Pod) Remove() {
	p.removed.Do(func() {
		_ = p.node.links.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: p.link}})
		_ = p.ns.Close()
		p.node.release(p.index)
	})
}

// plug connects the pod with its node.
func (p *Pod) plug(addrs []netip.Addr) error {
	node := end{p.node.links, p.link}
	pair := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: podInterface, PeerNamespace: netlink.NsFd(p.ns)}
	pair.Name = p.link
	if err := node.links.LinkAdd(pair); err != nil {
		return fmt.Errorf("adding a link: %w", err)
	}
	links, err := netlink.NewHandleAt(p.ns)
	if err != nil {
		return err
	}
	defer links.Close()
	pod := end{links, podInterface}
	if err := connect(node, pod); err != nil {
		return err
	}
	for _, gateway := range gateways {
		if err := node.addAddress(gateway, gateway); err != nil {
			return err
		}
	}
	for _, addr := range addrs {
		if err := pod.addAddress(addr, addr); err != nil {
			return err
		}
		if err := node.addRoute(netip.PrefixFrom(addr, addr.BitLen()), netip.Addr{}); err != nil {
			return err
		}
	}
	return errors.Join(
		pod.addRoute(netip.PrefixFrom(gateways[0], gateways[0].BitLen()), netip.Addr{}),
		pod.addRoute(netip.PrefixFrom(netip.IPv4Unspecified(), 0), gateways[0]),
		pod.addRoute(netip.PrefixFrom(netip.IPv6Unspecified(), 0), gateways[1]),
	)
}
