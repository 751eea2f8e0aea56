package policy

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// resolveHost is what a rule's host means: a short name is a Service of the rule's own namespace; everything with a dot, a
// `*` or a colon is taken as it stands. `reviews.prod` has a dot, so it is not completed, and matches nothing.
func resolveHost(host, namespace, clusterDomain string) string {
	if strings.ContainsAny(host, ".*:") {
		return literalHost(host)
	}
	host = strings.ToLower(host)
	return serviceHost(types.NamespacedName{Namespace: namespace, Name: host}, clusterDomain)
}

// literalHost is the one spelling of a name or an IP address by which they are compared.
func literalHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String()
	}
	return strings.ToLower(host)
}

// serviceHost is the fully qualified name of a Service.
func serviceHost(svc types.NamespacedName, clusterDomain string) string {
	return svc.Name + "." + svc.Namespace + servicesSuffix(clusterDomain)
}

// servicesSuffix ends the name of every Service.
func servicesSuffix(clusterDomain string) string { return ".svc." + clusterDomain }

// serviceOfHost reads the fully qualified name of a Service.
func serviceOfHost(host, clusterDomain string) (types.NamespacedName, bool) {
	rest, ok := strings.CutSuffix(host, servicesSuffix(clusterDomain))
	if !ok {
		return types.NamespacedName{}, false
	}
	name, namespace, ok := strings.Cut(rest, ".")
	if !ok || name == "" || namespace == "" || strings.Contains(namespace, ".") || strings.HasPrefix(name, "*") {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, true
}

// coversEveryService says whether a host is a wildcard that every Service's name matches.
func coversEveryService(host, clusterDomain string) bool {
	suffix, ok := strings.CutPrefix(host, "*")
	return ok && strings.HasSuffix(servicesSuffix(clusterDomain), suffix)
}

// coversServicesOf says whether some Service of the namespace could match a host.
func coversServicesOf(host, namespace, clusterDomain string) bool {
	if svc, ok := serviceOfHost(host, clusterDomain); ok {
		return svc.Namespace == namespace
	}
	suffix, ok := strings.CutPrefix(host, "*")
	inNamespace := "." + namespace + servicesSuffix(clusterDomain)
	return ok && (strings.HasSuffix(inNamespace, suffix) || strings.HasSuffix(suffix, inNamespace))
}

// hostMatches says whether a host of a rule (resolved) covers a name or a narrower wildcard. Wildcards cover names only: an
// IP literal is matched by itself.
func hostMatches(host, name string) bool {
	if host == name {
		return true
	}
	suffix, ok := strings.CutPrefix(host, "*")
	return ok && !isIP(name) && strings.HasSuffix(strings.TrimPrefix(name, "*"), suffix)
}

func isIP(host string) bool {
	// An address ends in a digit or has a colon; few names do.
	if host == "" || !strings.Contains(host, ":") && (host[len(host)-1] < '0' || host[len(host)-1] > '9') {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// hostIndex holds the rules of one namespace by host.
type hostIndex struct {
	exact map[string][]*destinationRule
	// wildcard is by what follows the `*`.
	wildcard map[string][]*destinationRule
}

func (x *hostIndex) table(host string) (map[string][]*destinationRule, string) {
	if suffix, ok := strings.CutPrefix(host, "*"); ok {
		return x.wildcard, suffix
	}
	return x.exact, host
}

func (x *hostIndex) add(r *destinationRule) {
	if x.exact == nil {
		x.exact, x.wildcard = map[string][]*destinationRule{}, map[string][]*destinationRule{}
	}
	table, key := x.table(r.host)
	i, _ := slices.BinarySearchFunc(table[key], r, func(a, b *destinationRule) int { return byAge(&a.header, &b.header) })
	table[key] = slices.Insert(table[key], i, r)
}

func (x *hostIndex) remove(r *destinationRule) {
	table, key := x.table(r.host)
	if rest := removeFrom(table[key], r); len(rest) > 0 {
		table[key] = rest
	} else {
		delete(table, key)
	}
}

// group is the rules for exactly this host, oldest first.
func (x *hostIndex) group(host string) []*destinationRule {
	table, key := x.table(host)
	return table[key]
}

// all yields every rule, in no particular order.
func (x *hostIndex) all() iter.Seq[*destinationRule] {
	return func(yield func(*destinationRule) bool) {
		for _, table := range []map[string][]*destinationRule{x.exact, x.wildcard} {
			for _, group := range table {
				for _, r := range group {
					if !yield(r) {
						return
					}
				}
			}
		}
	}
}

func (x *hostIndex) empty() bool { return len(x.exact) == 0 && len(x.wildcard) == 0 }

// mostSpecific offers the groups that match a host to pick, the exact one first, then wildcards from the longest to the
// shortest, until pick accepts one. Its cost is the length of the host, not the number of rules.
func (x *hostIndex) mostSpecific(host string, pick func([]*destinationRule) *destinationRule) *destinationRule {
	if group := x.exact[host]; len(group) > 0 {
		if r := pick(group); r != nil {
			return r
		}
	}
	if len(x.wildcard) == 0 || isIP(host) {
		return nil
	}
	for i := range len(host) + 1 {
		if group := x.wildcard[host[i:]]; len(group) > 0 {
			if r := pick(group); r != nil {
				return r
			}
		}
	}
	return nil
}
