package policy

import (
	"fmt"
	"slices"
	"strings"
)

func (f *finder) destinationRule(r *destinationRule) {
	f.unknownNamespaces()
	f.service(r)
	if len(r.selector) > 0 && f.selectsNothing("spec.workloadSelector", area{r.ref.Namespace, r.selector}) {
		return
	}
	if !f.losesHost(r) {
		f.dropsTLS(r)
	}
}

// service reports a host that is no Service, and ports that the Service does not have.
func (f *finder) service(r *destinationRule) {
	name, ok := serviceOfHost(r.host, f.state.settings.ClusterDomain)
	if !ok || f.state.services == 0 {
		return
	}
	svc := f.state.service(name)
	switch {
	case svc == nil:
		f.warn("spec.host", ReasonUnknownService, "there is no Service %s: correct the host, or create it", name)
		return
	case svc.ExternalName != "":
		f.warn("spec.host", ReasonHostNotAddressable, "Service %s is only another name for %s, whose address clients dial: connections are chosen by address, so the rule is never used", name, svc.ExternalName)
		return
	}
	if r.source.Spec.TrafficPolicy == nil {
		return
	}
	for i, p := range r.source.Spec.TrafficPolicy.PortLevelSettings {
		if _, known := svc.port(uint16(p.Port.Number)); !known {
			f.warn(fmt.Sprintf("spec.trafficPolicy.portLevelSettings[%d].port.number", i), ReasonUnknownServicePort,
				"Service %s has no port %d, so the entry is never used: its ports are %s (of the Service, not of the containers)", name, p.Port.Number, portList(svc.Ports))
		}
	}
}

// losesHost reports what an older rule for the same host makes of this one. True: this one's trafficPolicy never holds.
func (f *finder) losesHost(r *destinationRule) bool {
	for _, other := range f.state.namespaces[r.ref.Namespace].rules.group(r.host) {
		if byAge(&other.header, &r.header) >= 0 {
			return false
		}
		switch {
		case other.class == r.class && r.traffic == nil:
		case other.class == r.class && other.traffic == nil:
			if f.givesTraffic(r) {
				f.warn("spec.trafficPolicy", ReasonMerged, "%s for the same host is older and has no trafficPolicy, so this one's holds: say it in one rule", other.ref)
				return false
			}
		case other.class == r.class:
			f.warn("spec.trafficPolicy", ReasonConflict, "%s for the same host %s; its trafficPolicy holds as a whole, and this one's has no effect: keep one of them", other.ref, ahead(&other.header, &r.header))
			return true
		case len(other.selector) == 0 && len(r.selector) == 0:
			f.warn("spec.exportTo", ReasonShadowed, "%s for the same host %s and has another exportTo, so the two are not merged: wherever both are seen, it alone holds", other.ref, ahead(&other.header, &r.header))
			return false
		case len(other.selector) > 0 && len(r.selector) > 0:
			if all := f.losesClients(r, other); all {
				return true
			}
		}
	}
	return false
}

// givesTraffic says whether r is the first of its class that has a trafficPolicy.
func (f *finder) givesTraffic(r *destinationRule) bool { return f.trafficOf(r) == r.traffic }

// trafficOf is the trafficPolicy of r's class: that of the oldest rule that has one.
func (f *finder) trafficOf(r *destinationRule) *trafficPolicy {
	group := f.state.namespaces[r.ref.Namespace].rules.group(r.host)
	i := slices.IndexFunc(group, func(o *destinationRule) bool { return o.class == r.class && o.traffic != nil })
	if i < 0 {
		return nil
	}
	return group[i].traffic
}

// losesClients reports the client workloads that an older rule selects too. True: all that r can ever select.
func (f *finder) losesClients(r, other *destinationRule) bool {
	if other.selector.covers(r.selector) {
		f.warn("spec.workloadSelector", ReasonConflict, "%s for the same host selects every workload that this one selects and %s; this one has no effect: keep one of them", other.ref, ahead(&other.header, &r.header))
		return true
	}
	var lost sample
	for w := range f.state.workloads.matching(r.ref.Namespace, r.selector) {
		if other.selector.matches(w.Labels) {
			lost.count++
			lost.add(w.name())
		}
	}
	if lost.count > 0 {
		f.warn("spec.workloadSelector", ReasonShadowed, "%s for the same host %s and alone holds for the clients that both select: %s", other.ref, ahead(&other.header, &r.header), &lost)
	}
	return false
}

// dropsTLS reports a rule that sets no TLS for its host and so undoes a wildcard rule that does: rules for different hosts
// are never merged, and a rule in the clients' or the service's namespace hides the root namespace's.
func (f *finder) dropsTLS(r *destinationRule) {
	if t := f.trafficOf(r); t != nil && t.tls != nil {
		return
	}
	root := f.state.settings.RootNamespace
	broader := f.broader(r, r.ref.Namespace)
	if broader == nil && r.ref.Namespace != root {
		broader = f.broader(r, root)
	}
	if broader != nil && broader.traffic.setsTLS() {
		f.warn("spec.host", ReasonDropsTLS, "%s (host %s) sets TLS, but only the most specific rule holds and this one sets none, so the choice is automatic: repeat the tls settings here", broader.ref, broader.source.Spec.Host)
	}
}

// broader is the rule of a namespace that would hold for r's host if r were not there.
func (f *finder) broader(r *destinationRule, namespace string) *destinationRule {
	ns := f.state.namespaces[namespace]
	if ns == nil {
		return nil
	}
	visible := func(o *destinationRule) bool {
		if namespace == r.ref.Namespace {
			return o.host != r.host && len(o.selector) == 0
		}
		return len(o.selector) == 0 && o.exports.to(r.ref.Namespace)
	}
	return ns.rules.mostSpecific(strings.TrimPrefix(r.host, "*"), func(group []*destinationRule) *destinationRule { return settle(group, visible) })
}
