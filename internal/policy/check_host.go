package policy

import (
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxHost is the longest host name (RFC 1035 section 2.3.4).
const maxHost = 255

// host checks the host of a DestinationRule.
func (c *checker) host(at *field.Path, host string) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			c.errorf(at, ReasonInvalid, "%q: an address of a host has no zone: remove %%%s", host, addr.Zone())
		}
		return
	}
	switch {
	case host == "":
		c.errorf(at, ReasonRequired, "the rule names no host: write a Service such as reviews or reviews.prod.svc.%s, a wildcard or an IP address", c.settings.ClusterDomain)
	case len(host) > maxHost:
		c.errorf(at, ReasonInvalid, "a host has at most %d characters", maxHost)
	case strings.ContainsAny(host, "/:"):
		c.errorf(at, ReasonInvalid, "%q: a host is a name or an IP address alone: no scheme, no path and no range, and a port belongs in trafficPolicy.portLevelSettings", host)
	case strings.LastIndex(host, "*") > 0:
		c.errorf(at, ReasonMiddleWildcard, "%q: a host has at most one '*', at its beginning: '*', or '*.prod.svc.%s'", host, c.settings.ClusterDomain)
	case !isHostPattern(host):
		c.errorf(at, ReasonInvalid, "%q is not a DNS name: its labels have 1 to 63 letters, digits and inner dashes", host)
	case c.settings.ClusterDomain != "" && !isServiceHost(host, c.settings.ClusterDomain):
		c.warnf(at, ReasonHostNotAddressable,
			"%q is neither a Service nor an IP address: connections are chosen by address, so the rule is never used; write a Service's name, or name.namespace.svc.%s", host, c.settings.ClusterDomain)
	}
}

// isHostPattern accepts a DNS name, whose first label may begin with a wildcard.
func isHostPattern(host string) bool {
	if host == "*" {
		return true
	}
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		host = rest
	} else if rest, ok := strings.CutPrefix(host, "*"); ok {
		host = "x" + rest // *-v2.prod: what stands for the * makes the label whole
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if !isHostLabel(label) {
			return false
		}
	}
	return true
}

// isHostLabel is RFC 1123's label, in either case.
func isHostLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20 // lower case of a letter; digits and the dash have the bit already
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' {
			return false
		}
	}
	return true
}

// isServiceHost is true for a host that can be a Service: a short name, name.namespace.svc.<cluster domain>, or a wildcard
// that some such name ends in.
func isServiceHost(host, clusterDomain string) bool {
	host = strings.ToLower(host)
	if suffix, wildcard := strings.CutPrefix(host, "*"); wildcard {
		rest, inCluster := strings.CutSuffix(suffix, servicesSuffix(clusterDomain))
		return coversEveryService(host, clusterDomain) || inCluster && strings.Count(rest, ".") <= 1
	}
	_, ok := serviceOfHost(host, clusterDomain)
	return ok || !strings.Contains(host, ".")
}
