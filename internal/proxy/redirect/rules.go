package redirect

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/warifu/warifu/internal/naming"
)

// Options is the traffic that stays away from the proxy. The zero value redirects everything.
type Options struct {
	// ExcludeInboundPorts are ports of the pod; never one of the proxy's own.
	ExcludeInboundPorts []uint16
	// ExcludeOutboundPorts and ExcludeOutboundCIDRs are destinations: either is enough.
	ExcludeOutboundPorts []uint16
	ExcludeOutboundCIDRs []netip.Prefix
}

// ruleset is the rules for TCP packets that open a connection; the first rule that matches decides.
type ruleset struct {
	outbound []rule // what local processes send
	inbound  []rule // what arrives at an interface
}

// rule sends what matches to a port of the proxy, or leaves it alone where that is 0.
type rule struct {
	why   string // for people: `nft list ruleset` shows it
	match match
	to    uint16
}

// match is a conjunction; fields with their zero value do not count.
type match struct {
	owner       uint32       // uid of the sender
	in, out     string       // interface
	destination netip.Prefix // IPv4 or IPv6, never one mapped to the other
	elsewhere   bool         // destination is not an address of this namespace
	port        uint16       // destination
}

const loopback = "lo"

// loopbackRanges are never dialled from one machine to another.
var loopbackRanges = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// rules decides what happens to which connection. An error names the option that cannot be carried out.
func (o Options) rules() (ruleset, error) {
	cidrs, err := unmapped(o.ExcludeOutboundCIDRs)
	if err != nil {
		return ruleset{}, err
	}
	for _, port := range o.ExcludeInboundPorts {
		if slices.Contains(naming.ReservedPorts(), int32(port)) {
			return ruleset{}, fmt.Errorf("inbound port %d is the proxy's own: take it off %s",
				port, naming.AnnotationExcludeInboundPorts)
		}
	}
	return ruleset{outbound: o.outbound(cidrs), inbound: o.inbound()}, nil
}

func (o Options) outbound(cidrs []netip.Prefix) []rule {
	rules := toLoopback()
	rules = append(rules,
		rule{"self-test of the redirect", match{owner: naming.ProxyUID, out: loopback, port: naming.PortRedirectTest}, naming.PortAdmin},
		rule{"the proxy's own", match{owner: naming.ProxyUID}, 0},
		rule{"stays inside the pod", match{out: loopback}, 0},
	)
	rules = append(rules, excludedPorts(o.ExcludeOutboundPorts)...)
	for _, cidr := range cidrs {
		rules = append(rules, rule{"excluded range", match{destination: cidr}, 0})
	}
	return append(rules, rule{"all else to the proxy", match{}, naming.PortOutbound})
}

func (o Options) inbound() []rule {
	rules := []rule{{"stays inside the pod", match{in: loopback}, 0}}
	rules = append(rules, toLoopback()...) // from outside: the kernel drops it
	rules = append(rules,
		rule{"not for this pod", match{elsewhere: true}, 0},
		rule{"probes and metrics", match{port: naming.PortAdmin}, 0},
	)
	rules = append(rules, excludedPorts(o.ExcludeInboundPorts)...)
	return append(rules, rule{"all else to the proxy", match{}, naming.PortInbound})
}

func toLoopback() []rule {
	var rules []rule
	for _, r := range loopbackRanges {
		rules = append(rules, rule{"to loopback", match{destination: r}, 0})
	}
	return rules
}

func excludedPorts(ports []uint16) []rule {
	var rules []rule
	for _, port := range ports {
		rules = append(rules, rule{"excluded port", match{port: port}, 0})
	}
	return rules
}

// unmapped writes ranges of IPv4 addresses in IPv6 notation as IPv4: packets carry them so, and a rule for the notation
// would silently match nothing.
func unmapped(prefixes []netip.Prefix) ([]netip.Prefix, error) {
	const mapped = 96 // bits of ::ffff:0:0/96
	out := make([]netip.Prefix, len(prefixes))
	for i, prefix := range prefixes {
		addr, bits := prefix.Addr(), prefix.Bits()
		if addr.Is4In6() {
			addr, bits = addr.Unmap(), bits-mapped
		}
		if out[i] = netip.PrefixFrom(addr, bits).Masked(); !out[i].IsValid() {
			return nil, fmt.Errorf("%s is not a range of addresses: correct %s", prefix, naming.AnnotationExcludeOutboundCIDRs)
		}
	}
	return out, nil
}
