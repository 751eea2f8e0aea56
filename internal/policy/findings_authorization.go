package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

func (f *finder) authorizationPolicy(p *authorizationPolicy) {
	a := f.state.selectionOf(&p.header)[0]
	f.unknownNamespaces()
	if f.selectsNothing("spec.selector", a) {
		return
	}
	f.unreachable(p)
	if p.http {
		f.httpOnTCP(p, f.state.summaryOf(a))
	}
}

// deniesAll says whether the policy denies every request to what it selects.
func (p *authorizationPolicy) deniesAll() bool {
	if p.silent || p.policy.DryRun {
		return false
	}
	if p.broken != "" {
		return true
	}
	return p.policy.Action == proxyconfig.Deny && slices.ContainsFunc(p.policy.Rules, func(r proxyconfig.Rule) bool {
		return len(r.From) == 0 && len(r.To) == 0 && len(r.When) == 0
	})
}

// unreachable reports an ALLOW policy under a DENY of everything: no ALLOW is an exception from a DENY.
func (f *finder) unreachable(p *authorizationPolicy) {
	if p.policy.Action != proxyconfig.Allow || len(p.policy.Rules) == 0 {
		return
	}
	var denier *authorizationPolicy
	for ns := range f.state.scopes(p.ref.Namespace) {
		for other := range ns.authz.all() {
			if other != p && other.deniesAll() && other.selector.covers(p.selector) && (denier == nil || other.compare(denier) < 0) {
				denier = other
			}
		}
	}
	if denier != nil {
		f.warn("spec.rules", ReasonUnreachable, "%s denies everything to the workloads selected here, and a DENY has no exceptions: narrow it with notNamespaces or the like, or use an ALLOW policy without rules instead", denier.ref)
	}
}

// httpOnTCP reports rules that look at HTTP requests and select ports where there are none. An ALLOW rule allows nothing
// there; a DENY or AUDIT rule loses the fields and matches more than it says.
func (f *finder) httpOnTCP(p *authorizationPolicy, sum *summary) {
	for i := range p.policy.Rules {
		r := &p.policy.Rules[i]
		at := fmt.Sprintf("spec.rules[%d]", i)
		if p.policy.Action == proxyconfig.Allow {
			if field := httpField(r); field != "" {
				f.onTCP(at, ReasonVanishesOnTCP, sum, r, r.To,
					"%s does not exist on %s, where this rule allows nothing: declare the port HTTP (appProtocol or the port's name), or write a rule of its own for it", field)
			}
			continue
		}
		const widens = "%s does not exist on %s, where the rule matches without it, every connection if nothing else is left: list the HTTP ports in ports"
		for j := range r.To {
			if field := httpFieldOf(&r.To[j]); field != "" {
				f.onTCP(fmt.Sprintf("%s.to[%d].operation", at, j), ReasonWidensOnTCP, sum, r, r.To[j:j+1], widens, field)
			}
		}
		for k, w := range r.When {
			if isHeaderKey(w.Key) {
				f.onTCP(fmt.Sprintf("%s.when[%d]", at, k), ReasonWidensOnTCP, sum, r, r.To, widens, w.Key)
			}
		}
	}
}

// onTCP reports once, naming the TCP ports that the rule reaches through one of the operations (none: all ports).
func (f *finder) onTCP(at string, reason Reason, sum *summary, r *proxyconfig.Rule, to []proxyconfig.Operation, format, field string) {
	var reached []string
	var workloads sample
	for _, port := range sortedKeys(sum.tcp) {
		if !reaches(r, to, port) {
			continue
		}
		reached = append(reached, strconv.Itoa(int(port)))
		workloads.count = max(workloads.count, sum.tcp[port].count)
		workloads.add(sum.tcp[port].first...)
	}
	if len(reached) == 0 {
		return
	}
	ports := "TCP port "
	if len(reached) > 1 {
		ports = "TCP ports "
	}
	f.warn(at, reason, format, field, ports+strings.Join(reached, ", ")+" of "+workloads.String())
}

// reaches says whether connections to a port can come to the rule through one of the operations.
func reaches(r *proxyconfig.Rule, to []proxyconfig.Operation, port uint16) bool {
	text := strconv.Itoa(int(port))
	for _, w := range r.When {
		if w.Key == "destination.port" && (len(w.Values) > 0 && !slices.Contains(w.Values, text) || slices.Contains(w.NotValues, text)) {
			return false
		}
	}
	return len(to) == 0 || slices.ContainsFunc(to, func(o proxyconfig.Operation) bool {
		return (len(o.Ports) == 0 || slices.Contains(o.Ports, text)) && !slices.Contains(o.NotPorts, text)
	})
}

func isHTTPRule(r *proxyconfig.Rule) bool { return httpField(r) != "" }

// httpField names something in the rule that exists in HTTP only; empty when there is nothing.
func httpField(r *proxyconfig.Rule) string {
	for i := range r.To {
		if field := httpFieldOf(&r.To[i]); field != "" {
			return field
		}
	}
	for _, w := range r.When {
		if isHeaderKey(w.Key) {
			return w.Key
		}
	}
	return ""
}

func httpFieldOf(o *proxyconfig.Operation) string {
	switch {
	case len(o.Hosts) > 0:
		return "hosts"
	case len(o.NotHosts) > 0:
		return "notHosts"
	case len(o.Methods) > 0:
		return "methods"
	case len(o.NotMethods) > 0:
		return "notMethods"
	case len(o.Paths) > 0:
		return "paths"
	case len(o.NotPaths) > 0:
		return "notPaths"
	default:
		return ""
	}
}

// mentionsIn lists the namespaces that rules name outright, without a wildcard.
func mentionsIn(rules []v1alpha1.Rule) []mention {
	var out []mention
	list := func(at string, values []string, namespaceOf func(string) string) {
		for i, v := range values {
			if ns := namespaceOf(v); ns != "" && !strings.Contains(ns, "*") {
				out = append(out, mention{ns, fmt.Sprintf("%s[%d]", at, i)})
			}
		}
	}
	for i, r := range rules {
		for j, from := range r.From {
			at := fmt.Sprintf("spec.rules[%d].from[%d].source.", i, j)
			list(at+"namespaces", from.Source.Namespaces, itself)
			list(at+"notNamespaces", from.Source.NotNamespaces, itself)
			list(at+"serviceAccounts", from.Source.ServiceAccounts, namespaceOfAccount)
			list(at+"notServiceAccounts", from.Source.NotServiceAccounts, namespaceOfAccount)
			list(at+"principals", from.Source.Principals, namespaceOfPrincipal)
			list(at+"notPrincipals", from.Source.NotPrincipals, namespaceOfPrincipal)
		}
		for k, w := range r.When {
			at := fmt.Sprintf("spec.rules[%d].when[%d].", i, k)
			if namespaceOf := byConditionKey[w.Key]; namespaceOf != nil {
				list(at+"values", w.Values, namespaceOf)
				list(at+"notValues", w.NotValues, namespaceOf)
			}
		}
	}
	return out
}

var byConditionKey = map[string]func(string) string{
	"source.namespace":      itself,
	"source.serviceAccount": namespaceOfAccount,
	"source.principal":      namespaceOfPrincipal,
}

func itself(namespace string) string { return namespace }

// namespaceOfAccount is "" for a short name, which is in the policy's own namespace.
func namespaceOfAccount(account string) string {
	namespace, _, qualified := strings.Cut(account, "/")
	if !qualified {
		return ""
	}
	return namespace
}

// namespaceOfPrincipal reads <trust domain>/ns/<namespace>/sa/<service account>.
func namespaceOfPrincipal(principal string) string {
	parts := strings.Split(principal, "/")
	if len(parts) != 5 || parts[1] != "ns" {
		return ""
	}
	return parts[2]
}
