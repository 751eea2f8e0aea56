package redirect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// ip6tSoOriginalDst is IP6T_SO_ORIGINAL_DST of linux/netfilter_ipv6/ip6_tables.h.
const ip6tSoOriginalDst = 80

// ErrNotRedirected says that a connection was made to the proxy's port itself. Nobody but a process of the pod can do that,
// and there is nowhere to take such a connection: close it.
var ErrNotRedirected = errors.New("the connection was not redirected: it was made to the proxy's own port")

// OriginalDestination is where an accepted connection was going before it was redirected, with an IPv4 address as such also on
// a socket for both families. It is an address of whoever dialled: a caller must be sure that it may dial it. The error is
// ErrNotRedirected, or the kernel's where it has no answer.
//
// The listener must not speak Multipath TCP, as Go's do by default (net.ListenConfig.SetMultipathTCP): its connections have
// no answer.
func OriginalDestination(conn *net.TCPConn) (netip.AddrPort, error) {
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("original destination: %w", err)
	}
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	raw, err := conn.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("original destination: %w", err)
	}
	ask := originalIPv4
	if local.Addr().Is6() {
		ask = originalIPv6
	}
	var original netip.AddrPort
	var answer error
	if err := raw.Control(func(fd uintptr) { original, answer = ask(int(fd)) }); err != nil {
		return netip.AddrPort{}, fmt.Errorf("original destination: %w", err)
	}
	switch {
	case errors.Is(answer, unix.ENOENT), answer == nil && same(original, local):
		return netip.AddrPort{}, fmt.Errorf("%w %s", ErrNotRedirected, local)
	case answer != nil:
		return netip.AddrPort{}, fmt.Errorf("original destination of a connection to %s: %w", local, answer)
	}
	return original, nil
}

// same compares without zones: one socket option names an interface, the other numbers it.
func same(a, b netip.AddrPort) bool {
	return a.Addr().WithZone("") == b.Addr().WithZone("") && a.Port() == b.Port()
}

// originalIPv4 asks with the option that has a sockaddr_in for an answer, for which the library has no type; the bytes are
// those of a request to join a multicast group, which is a little larger.
func originalIPv4(fd int) (netip.AddrPort, error) {
	const port, addr = 2, 4 // offsets in sockaddr_in
	answer, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, unix.SO_ORIGINAL_DST)
	if err != nil {
		return netip.AddrPort{}, err
	}
	bytes := answer.Multiaddr
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(bytes[addr:])), binary.BigEndian.Uint16(bytes[port:])), nil
}

// originalIPv6 asks with the option that has a sockaddr_in6 for an answer.
func originalIPv6(fd int) (netip.AddrPort, error) {
	answer, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, ip6tSoOriginalDst)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr := netip.AddrFrom16(answer.Addr.Addr)
	if scope := answer.Addr.Scope_id; scope != 0 {
		addr = addr.WithZone(strconv.FormatUint(uint64(scope), 10))
	}
	var port [2]byte // in the order of the network, whatever the machine's
	binary.NativeEndian.PutUint16(port[:], answer.Addr.Port)
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(port[:])), nil
}
