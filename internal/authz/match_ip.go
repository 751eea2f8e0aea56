package authz

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ParseIPBlock parses a value of ipBlocks, source.ip and destination.ip: an address or a CIDR, IPv4 or IPv6, without a zone.
// Bits beyond the prefix are cleared, so that 10.1.2.3/8 is 10.0.0.0/8.
func ParseIPBlock(value string) (netip.Prefix, error) {
	addr, err := netip.ParseAddr(value)
	bits := addr.BitLen()
	if strings.Contains(value, "/") {
		var block netip.Prefix
		block, err = netip.ParsePrefix(value)
		addr, bits = block.Addr(), block.Bits()
	}
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is neither an IP address nor a CIDR such as 10.0.0.0/8", value)
	}
	// Addresses are compared unmapped, see plain.
	if addr.Is4In6() {
		if bits < 96 {
			return netip.Prefix{}, fmt.Errorf("%q: write an IPv4 block in IPv4 form", value)
		}
		addr, bits = addr.Unmap(), bits-96
	}
	return netip.PrefixFrom(addr, bits).Masked(), nil
}

// plain is the form in which addresses are compared. A dual-stack listener reports an IPv4 peer as ::ffff:10.0.0.1 and a
// link-local one with its zone; a netip.Prefix contains neither, and a DENY would miss them.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// ParsePort parses a value of ports and destination.port: one workload port, no range.
func ParsePort(value string) (uint16, error) {
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port: one number from 0 to 65535, no range and no *", value)
	}
	return uint16(port), nil
}
