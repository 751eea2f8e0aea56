package policy

import (
	"fmt"

	"github.com/warifu/warifu/internal/proxyconfig"
)

func (f *finder) peerAuthentication(p *peerAuthentication) {
	if !p.inForce(f.state.settings.RootNamespace) {
		return
	}
	a := f.state.selectionOf(&p.header)[0]
	if f.losesScope(p) || f.selectsNothing("spec.selector", a) || f.losesWorkloads(p) {
		return
	}
	f.strictNotEnforced(p, a)
	f.servicePorts(p)
}

// losesScope reports a policy that never holds, because an older one has its scope, or selects whatever it selects.
func (f *finder) losesScope(p *peerAuthentication) bool {
	ns := f.state.namespaces[p.ref.Namespace]
	if len(p.selector) == 0 {
		winner := ns.peer.wide[0]
		if winner == p {
			return false
		}
		scope := "namespace " + p.ref.Namespace
		if p.ref.Namespace == f.state.settings.RootNamespace {
			scope = "the mesh"
		}
		f.warn("spec", ReasonConflict, "%s also holds for %s and %s; this one has no effect: keep one of them", winner.ref, scope, ahead(&winner.header, &p.header))
		return true
	}
	var winner *peerAuthentication
	for other := range ns.peer.narrow.all() {
		if byAge(&other.header, &p.header) < 0 && other.selector.covers(p.selector) && (winner == nil || byAge(&other.header, &winner.header) < 0) {
			winner = other
		}
	}
	if winner == nil {
		return false
	}
	f.warn("spec.selector", ReasonConflict, "%s selects every workload that this one selects and %s; this one has no effect, and their ports are not merged: keep one of them", winner.ref, ahead(&winner.header, &p.header))
	return true
}

// losesWorkloads reports the workloads for which an older policy with another selector holds. True: for all of them.
func (f *finder) losesWorkloads(p *peerAuthentication) bool {
	if len(p.selector) == 0 {
		return false
	}
	ns := f.state.namespaces[p.ref.Namespace]
	var lost sample
	var winner *peerAuthentication
	total := 0
	for w := range f.state.workloads.matching(p.ref.Namespace, p.selector) {
		total++
		holds := ns.workloadPolicy(w.Labels)
		if holds == p {
			continue
		}
		lost.count++
		lost.add(w.name())
		if winner == nil || byAge(&holds.header, &winner.header) < 0 {
			winner = holds
		}
	}
	if lost.count == 0 {
		return false
	}
	f.warn("spec.selector", ReasonConflict, "%s also selects %d of the %d workloads and %s; for these it alone holds, and ports are not merged: %s", winner.ref, lost.count, total, ahead(&winner.header, &p.header), &lost)
	return lost.count == total
}

// whyUnproxied explains the reasons.
var whyUnproxied = map[NotProxiedReason]string{
	NotProxiedNotInjected: "restart them in a namespace that is opted in",
	NotProxiedOptedOut:    "a label of the pod says so",
	NotProxiedHostNetwork: "in the node's network nothing is redirected",
	NotProxiedNoDataPlane: "the application enforces its mode itself, or nobody does",
}

// strictNotEnforced reports where STRICT cannot bite.
func (f *finder) strictNotEnforced(p *peerAuthentication, a area) {
	field := p.strictField()
	if field == "" {
		return
	}
	sum := f.state.summaryOf(a)
	for _, reason := range sortedKeys(sum.unproxied) {
		workloads := sum.unproxied[reason]
		f.warn(field, ReasonStrictNotEnforced, "no proxy enforces STRICT for %d of %d workloads (%s: %s): %s", workloads.count, sum.live, reason, whyUnproxied[reason], workloads)
	}
	for _, port := range sortedKeys(sum.excluded) {
		if p.setting(port) == proxyconfig.Strict {
			f.warn(field, ReasonStrictNotEnforced, "STRICT is not enforced on port %d, which an annotation keeps away from the proxy, of %s", port, sum.excluded[port])
		}
	}
	for _, port := range sortedKeys(sum.datagram) {
		if p.setting(port) == proxyconfig.Strict {
			f.warn(field, ReasonStrictNotEnforced, "STRICT is not enforced on port %d, which is not TCP, of %s", port, sum.datagram[port])
		}
	}
}

// strictField is where the policy says STRICT; empty when it does not.
func (p *peerAuthentication) strictField() string {
	if p.mode == proxyconfig.Strict {
		return "spec.mtls.mode"
	}
	for _, s := range p.ports {
		if s.mode == proxyconfig.Strict {
			return portField(s.port)
		}
	}
	return ""
}

func portField(port uint16) string { return fmt.Sprintf("spec.portLevelMtls[%d]", port) }

// servicePorts reports ports of portLevelMtls that are a Service's and not the workload's: clients dial the Service's port,
// but connections arrive at its target.
func (f *finder) servicePorts(p *peerAuthentication) {
	if len(p.ports) == 0 {
		return
	}
	mistaken := map[uint16]map[uint16]*sample{}
	for w := range f.state.workloads.matching(p.ref.Namespace, p.selector) {
		listens := f.state.tcpPorts(w)
		for svc := range f.state.servicesOf(&w.Workload) {
			for _, setting := range p.ports {
				sp, ok := svc.port(setting.port)
				if _, own := listens[setting.port]; !ok || own {
					continue
				}
				if target, ok := sp.targetOn(&w.Workload); ok {
					byTarget := mistaken[setting.port]
					note(&byTarget, target, w)
					mistaken[setting.port] = byTarget
				}
			}
		}
	}
	for _, port := range sortedKeys(mistaken) {
		for _, target := range sortedKeys(mistaken[port]) {
			f.warn(portField(port), ReasonServicePort, "%d is the port of a Service, whose connections arrive at port %d of %s: write %d", port, target, mistaken[port][target], target)
		}
	}
}
