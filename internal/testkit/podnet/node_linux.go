package podnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Addresses: node n has 10.77.n.0/24 and fd77:0:0:n::/64, of which the host has the first, the node the second, and pods
// the rest.
const (
	maxNodes  = 254
	firstPod  = 3
	lastPod   = 254
	hostIndex = 1
	nodeIndex = 2
)

// linkLocal is the node's address on every link.
var linkLocal = netip.MustParseAddr("fe80::1")

// uplink is the node's end of the link to the host.
const uplink = "host"

// Node is a machine that pods run on. Its methods may be called by many goroutines.
type Node struct {
	// HostIPv4 and HostIPv6 are where pods reach what listens in the host's namespace.
	HostIPv4, HostIPv6 netip.Addr
	// Pods are the ranges of the pods' addresses.
	Pods []netip.Prefix

	number byte
	ns     netns.NsHandle
	links  *netlink.Handle // in ns
	host   *netlink.Handle
	dials  sync.RWMutex // read: somebody dials in ns, perhaps for longer than the test that asked

	mu       sync.Mutex
	pods     map[int]bool // indices of addresses in use
	last     int          // index given out last: an address is not used again at once
	services map[netip.AddrPort][]netip.AddrPort
	cut      map[string]bool // links of pods without a way to the host
}

// New makes a node, which is gone when the test has ended. Without root the test is skipped.
func New(t testing.TB) *Node {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root: run the tests as root")
	}
	n := &Node{last: firstPod - 1, pods: map[int]bool{}, services: map[netip.AddrPort][]netip.AddrPort{}, cut: map[string]bool{}}
	if err := n.start(t.Cleanup); err != nil {
		t.Fatalf("making a node: %v", err)
	}
	return n
}

func (n *Node) start(cleanup func(func())) (err error) {
	n.ns, err = newNamespace(map[string]string{"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"})
	if err != nil {
		return err
	}
	cleanup(n.close)
	if n.links, err = netlink.NewHandleAt(n.ns); err != nil {
		return err
	}
	cleanup(n.links.Close)
	if n.host, err = netlink.NewHandle(); err != nil {
		return err
	}
	cleanup(n.host.Close)
	name, err := n.connectHost()
	cleanup(func() { _ = n.host.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}}) })
	if err != nil {
		return err
	}
	return n.addressHost(name)
}

// connectHost adds the link to the host, under the first free number: a name exists once, so that test processes that run
// at the same time never share one.
func (n *Node) connectHost() (name string, err error) {
	for number := 1; number <= maxNodes; number++ {
		name = fmt.Sprintf("warifu%d", number)
		link := &netlink.Veth{
			LinkAttrs: netlink.NewLinkAttrs(), PeerName: uplink, PeerNamespace: netlink.NsFd(n.ns),
		}
		link.Name = name
		switch err = n.host.LinkAdd(link); {
		case err == nil:
			n.number = byte(number)
			return name, connect(end{n.host, name}, end{n.links, uplink})
		case !errors.Is(err, unix.EEXIST):
			return "", fmt.Errorf("adding the link %s: %w", name, err)
		}
	}
	return "", fmt.Errorf("no free number for a node, links warifu1 to warifu%d exist: %w", maxNodes, err)
}

func (n *Node) addressHost(name string) error {
	n.HostIPv4, n.HostIPv6 = n.addresses(hostIndex)
	nodeIPv4, nodeIPv6 := n.addresses(nodeIndex)
	four, six := netip.PrefixFrom(n.HostIPv4, 24).Masked(), netip.PrefixFrom(n.HostIPv6, 64).Masked()
	n.Pods = []netip.Prefix{four, six}
	for _, a := range []struct {
		end
		own, peer netip.Addr
	}{
		{end{n.links, uplink}, nodeIPv4, n.HostIPv4},
		{end{n.links, uplink}, nodeIPv6, n.HostIPv6},
		// With it the node asks for its neighbours; the kernel's own it may not use for two seconds.
		{end{n.links, uplink}, linkLocal, linkLocal},
		{end{n.host, name}, n.HostIPv4, nodeIPv4},
		{end{n.host, name}, n.HostIPv6, nodeIPv6},
	} {
		if err := a.addAddress(a.own, a.peer); err != nil {
			return err
		}
	}
	return errors.Join(
		end{n.host, name}.addRoute(four, nodeIPv4),
		end{n.host, name}.addRoute(six, nodeIPv6),
	)
}

// addresses are those with an index in the node's ranges.
func (n *Node) addresses(index byte) (four, six netip.Addr) {
	return netip.AddrFrom4([4]byte{10, 77, n.number, index}),
		netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 7: n.number, 15: index})
}

// reserve gives out the index of a pod's addresses.
func (n *Node) reserve() (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	const room = lastPod - firstPod + 1
	for step := range room {
		index := firstPod + (n.last+1-firstPod+step)%room
		if !n.pods[index] {
			n.pods[index], n.last = true, index
			return index, nil
		}
	}
	return 0, fmt.Errorf("a node has room for %d pods", room)
}

// release takes an index back.
func (n *Node) release(index int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pods, index)
}

func (n *Node) close() {
	n.dials.Lock()
	defer n.dials.Unlock()
	_ = n.ns.Close()
}

// DialContext dials from the node itself, as kubelet does for probes. The address is an IP address and a port.
func (n *Node) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.dials.RLock()
	defer n.dials.RUnlock()
	return dialAs(ctx, n.ns, 0, network, address)
}
