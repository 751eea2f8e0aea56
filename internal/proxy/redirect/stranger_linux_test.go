package redirect

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// briefly is long enough for an answer on this machine, where there is one.
const briefly = 500 * time.Millisecond

// TestStrangersDestination: a packet for an address that is not the pod's is none of the proxy's business; redirected, it would
// be an original destination of the sender's choice.
func TestStrangersDestination(t *testing.T) {
	node := podnet.New(t)
	elsewhere := netip.MustParseAddr("203.0.113.9")
	pod, peer := node.Pod(t, "pod", elsewhere), node.Pod(t, "peer")
	listen(t, pod, naming.PortInbound, "inbound")
	apply(t, pod, Options{})
	if got, want := hear(t, peer.DialContext, at(elsewhere, 80)), "inbound for "+at(elsewhere, 80); got != want {
		t.Fatalf("an address of the pod: ended at %q, want %q", got, want)
	}
	err := pod.Do(func() error { // the node still sends packets for it
		link, err := netlink.LinkByName("eth0")
		return errors.Join(err, netlink.AddrDel(link, &netlink.Addr{IPNet: network(elsewhere, 32)}))
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := hear(t, shortly(peer.DialContext), at(elsewhere, 80)); got != "" {
		t.Errorf("an address of nobody: ended at %q", got)
	}
}

// TestLoopbackFromOutside: a neighbour on the same link can send packets for 127.0.0.1. The kernel drops them, unless somebody
// changes their destination first.
func TestLoopbackFromOutside(t *testing.T) {
	node := podnet.New(t)
	pod, neighbour := node.Pod(t, "pod"), node.Pod(t, "neighbour")
	listen(t, pod, naming.PortInbound, "inbound")
	own, its := netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("10.99.0.2")
	hardware := shareLink(t, pod, neighbour, own, its)
	apply(t, pod, Options{})
	loopback := netip.MustParseAddr("127.0.0.1")
	err := neighbour.Do(func() error { return sendOut(loopback, hardware) })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hear(t, neighbour.DialContext, at(own, 8080)), "inbound for "+at(own, 8080); got != want {
		t.Fatalf("over the shared link: ended at %q, want %q", got, want)
	}
	if got := hear(t, shortly(neighbour.DialContext), at(loopback, 8080)); got != "" {
		t.Errorf("a packet from outside for loopback ended at %q", got)
	}
}

// shareLink connects two pods without their node, with an interface net1 in each, and returns the first one's hardware address.
func shareLink(t *testing.T, pod, neighbour *podnet.Pod, own, its netip.Addr) (hardware net.HardwareAddr) {
	t.Helper()
	up := func(addr netip.Addr) error {
		link, err := netlink.LinkByName("net1")
		if err != nil {
			return err
		}
		hardware = link.Attrs().HardwareAddr
		return errors.Join(netlink.AddrAdd(link, &netlink.Addr{IPNet: network(addr, 24)}), netlink.LinkSetUp(link))
	}
	var namespace *os.File
	err := neighbour.Do(func() (err error) {
		namespace, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer namespace.Close()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "net1"}, PeerName: "net1", PeerNamespace: netlink.NsFd(int(namespace.Fd()))}
	if err := pod.Do(func() error { return netlink.LinkAdd(pair) }); err != nil {
		t.Fatal(err)
	}
	if err := neighbour.Do(func() error { return up(its) }); err != nil {
		t.Fatal(err)
	}
	if err := pod.Do(func() error { return up(own) }); err != nil {
		t.Fatal(err)
	}
	return hardware
}

// sendOut makes the namespace send packets for its own loopback address out over net1, and take the answers.
func sendOut(loopback netip.Addr, to net.HardwareAddr) error {
	const setting = "/proc/sys/net/ipv4/conf/all/route_localnet"
	if err := os.WriteFile(setting, []byte("1"), 0o644); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName("net1")
	if err != nil {
		return err
	}
	return errors.Join(
		netlink.AddrDel(lo, &netlink.Addr{IPNet: network(loopback, 8)}), // and with it the routes that keep them in
		netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: network(loopback, 32), Scope: netlink.SCOPE_LINK}),
		netlink.NeighAdd(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, IP: loopback.AsSlice(), HardwareAddr: to, State: unix.NUD_PERMANENT,
		}),
	)
}

func network(addr netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, addr.BitLen())}
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// shortly does not wait long for what should not come.
func shortly(dial dialer) dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, briefly)
		defer cancel()
		return dial(ctx, network, address)
	}
}

// TestLinkLocal: on a link that pods share they have addresses that nobody assigned, and what arrives there arrives at the proxy.
func TestLinkLocal(t *testing.T) {
	node := podnet.New(t)
	pod, neighbour := node.Pod(t, "pod"), node.Pod(t, "neighbour")
	listen(t, pod, naming.PortInbound, "inbound")
	listen(t, pod, 8080, "app")
	shareLink(t, pod, neighbour, netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("10.99.0.2"))
	own := netip.MustParseAddr("fe80::99:1")
	for in, addr := range map[*podnet.Pod]netip.Addr{pod: own, neighbour: netip.MustParseAddr("fe80::99:2")} {
		if err := in.Do(func() error { return addAtOnce(addr) }); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, pod, Options{})
	if got := hear(t, neighbour.DialContext, at(own.WithZone("net1"), 8080)); !strings.HasPrefix(got, "inbound for [fe80::99:1%") {
		t.Errorf("ended at %q", got)
	}
}

// addAtOnce gives the shared link an address without asking whether somebody else has it.
func addAtOnce(addr netip.Addr) error {
	link, err := netlink.LinkByName("net1")
	if err != nil {
		return err
	}
	return netlink.AddrAdd(link, &netlink.Addr{IPNet: network(addr, 64), Flags: unix.IFA_F_NODAD})
}
