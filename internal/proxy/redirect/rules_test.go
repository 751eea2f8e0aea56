package redirect

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

// opening is a packet that opens a connection, of TCP.
type opening struct {
	owner     uint32
	in, out   string
	to        string
	elsewhere bool
}

const toProxyOut, toProxyIn, toAdmin, alone = naming.PortOutbound, naming.PortInbound, naming.PortAdmin, 0

var exclusions = Options{
	ExcludeInboundPorts:  []uint16{9090},
	ExcludeOutboundPorts: []uint16{3306, 5432},
	ExcludeOutboundCIDRs: []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("::ffff:198.51.100.0/120"),
	},
}

func TestOutboundRules(t *testing.T) {
	const app, proxy = 1000, naming.ProxyUID
	for _, tc := range []struct {
		name   string
		packet opening
		want   uint16
	}{
		{"IPv4", opening{owner: app, out: "eth0", to: "10.0.0.1:80"}, toProxyOut},
		{"IPv6", opening{owner: app, out: "eth0", to: "[fd00::1]:80"}, toProxyOut},
		{"root", opening{owner: 0, out: "eth0", to: "10.0.0.1:80"}, toProxyOut},
		{"another interface", opening{owner: app, out: "lo1", to: "10.0.0.1:80"}, toProxyOut},
		{"the proxy's", opening{owner: proxy, out: "eth0", to: "10.0.0.1:80"}, alone},
		{"the proxy's, to its pod", opening{owner: proxy, out: "lo", to: "10.0.0.9:80"}, alone},
		{"loopback, IPv4", opening{owner: app, out: "lo", to: "127.1.2.3:80"}, alone},
		{"loopback, IPv6", opening{owner: app, out: "lo", to: "[::1]:80"}, alone},
		{"loopback past lo", opening{owner: app, out: "eth0", to: "127.0.0.1:80"}, alone},
		{"the own pod", opening{owner: app, out: "lo", to: "10.0.0.9:80"}, alone},
		{"the self-test", opening{owner: proxy, out: "lo", to: "10.0.0.9:15021"}, toAdmin},
		{"the self-test, IPv6", opening{owner: proxy, out: "lo", to: "[fd00::9]:15021"}, toAdmin},
		{"the self-test by another", opening{owner: app, out: "lo", to: "10.0.0.9:15021"}, alone},
		{"the self-test on loopback", opening{owner: proxy, out: "lo", to: "127.0.0.1:15021"}, alone},
		{"the self-test's port elsewhere", opening{owner: proxy, out: "eth0", to: "10.0.0.1:15021"}, alone},
		{"an excluded port", opening{owner: app, out: "eth0", to: "10.0.0.1:5432"}, alone},
		{"another excluded port", opening{owner: app, out: "eth0", to: "[fd00::1]:3306"}, alone},
		{"a port excluded inbound", opening{owner: app, out: "eth0", to: "10.0.0.1:9090"}, toProxyOut},
		{"an excluded range", opening{owner: app, out: "eth0", to: "192.0.2.200:80"}, alone},
		{"an excluded range, IPv6", opening{owner: app, out: "eth0", to: "[2001:db8:1::]:80"}, alone},
		{"an excluded range, mapped", opening{owner: app, out: "eth0", to: "198.51.100.7:80"}, alone},
		{"next to an excluded range", opening{owner: app, out: "eth0", to: "198.51.101.7:80"}, toProxyOut},
		{"another proxy's port", opening{owner: app, out: "eth0", to: "10.0.0.1:15001"}, toProxyOut},
	} {
		if got := decide(t, exclusions, tc.packet); got != tc.want {
			t.Errorf("%s: goes to %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestInboundRules(t *testing.T) {
	for _, tc := range []struct {
		name   string
		packet opening
		want   uint16
	}{
		{"IPv4", opening{in: "eth0", to: "10.0.0.9:80"}, toProxyIn},
		{"IPv6", opening{in: "eth0", to: "[fd00::9]:80"}, toProxyIn},
		{"another interface", opening{in: "net1", to: "10.0.0.9:80"}, toProxyIn},
		{"from inside", opening{in: "lo", to: "10.0.0.9:80"}, alone},
		{"the admin port", opening{in: "eth0", to: "10.0.0.9:15020"}, alone},
		{"an excluded port", opening{in: "eth0", to: "10.0.0.9:9090"}, alone},
		{"a port excluded outbound", opening{in: "eth0", to: "10.0.0.9:5432"}, toProxyIn},
		{"the outbound port", opening{in: "eth0", to: "10.0.0.9:15001"}, toProxyIn},
		{"the inbound port", opening{in: "eth0", to: "10.0.0.9:15006"}, toProxyIn},
		{"the self-test's port", opening{in: "eth0", to: "10.0.0.9:15021"}, toProxyIn},
		{"loopback from outside", opening{in: "eth0", to: "127.0.0.1:80"}, alone},
		{"another host", opening{in: "eth0", to: "203.0.113.1:80", elsewhere: true}, alone},
	} {
		if got := decide(t, exclusions, tc.packet); got != tc.want {
			t.Errorf("%s: goes to %d, want %d", tc.name, got, tc.want)
		}
	}
}

// decide is where a packet goes: what the kernel does with the rules.
func decide(t *testing.T, o Options, p opening) uint16 {
	t.Helper()
	rules, err := o.rules()
	if err != nil {
		t.Fatal(err)
	}
	chain := rules.outbound
	if p.in != "" {
		chain = rules.inbound
	}
	to := netip.MustParseAddrPort(p.to)
	for _, r := range chain {
		m := r.match
		if (m.owner == 0 || m.owner == p.owner) && (m.in == "" || m.in == p.in) && (m.out == "" || m.out == p.out) &&
			(!m.destination.IsValid() || m.destination.Contains(to.Addr())) && (!m.elsewhere || p.elsewhere) &&
			(m.port == 0 || m.port == to.Port()) {
			return r.to
		}
	}
	t.Fatalf("no rule decides on %+v", p)
	return 0
}

func TestOptionsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"the outbound port":      {Options{ExcludeInboundPorts: []uint16{80, 15001}}, "15001"},
		"the inbound port":       {Options{ExcludeInboundPorts: []uint16{15006}}, "15006"},
		"the self-test's port":   {Options{ExcludeInboundPorts: []uint16{15021}}, "15021"},
		"no range":               {Options{ExcludeOutboundCIDRs: []netip.Prefix{{}}}, "exclude-outbound-cidrs"},
		"more than mapped space": {Options{ExcludeOutboundCIDRs: []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/95")}}, "/95"},
	} {
		if _, err := tc.options.rules(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error about %s", name, err, tc.want)
		}
	}
}
