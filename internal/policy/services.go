package policy

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// service is a Service in the index.
type service struct {
	Service
	// host is its fully qualified name.
	host string
	// selector is nil for a Service whose endpoints somebody else writes.
	selector selector
	// spoken are its ports whose protocol matters to a proxy.
	spoken []spokenPort
	// view is what stands behind it, worked out when first asked for and dropped when an endpoint changes.
	view atomic.Pointer[backends]
}

func newService(o Service, clusterDomain string) *service {
	s := &service{Service: o.clone()}
	s.host = serviceHost(s.name(), clusterDomain)
	s.selector = sortedLabels(s.Selector)
	s.spoken = spokenPorts(s.Ports)
	return s
}

func (s *service) name() types.NamespacedName {
	return types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
}

// addresses at which clients reach the Service itself. A headless one has none, nor has one that is an alias.
func (s *service) addresses() []netip.Addr {
	if s.Headless || s.ExternalName != "" {
		return nil
	}
	return slices.Concat(s.ClusterIPs, s.ExternalIPs)
}

// port finds a service port by number: the TCP port, where DNS and the like have one of each protocol.
func (s *service) port(port uint16) (ServicePort, bool) {
	var found ServicePort
	ok := false
	for _, p := range s.Ports {
		if p.Port == port && (!ok || sameProtocol(p.Protocol, TCP)) {
			found, ok = p, true
		}
	}
	return found, ok
}

// tcpPort finds a TCP port by number.
func (s *service) tcpPort(port uint16) (ServicePort, bool) {
	sp, ok := s.port(port)
	return sp, ok && sameProtocol(sp.Protocol, TCP)
}

// clone copies what a Service points to.
func (s Service) clone() Service {
	s.Selector = maps.Clone(s.Selector)
	s.ClusterIPs = slices.Clone(s.ClusterIPs)
	s.ExternalIPs = slices.Clone(s.ExternalIPs)
	s.BalancerIPs = slices.Clone(s.BalancerIPs)
	s.SourceRanges = slices.Clone(s.SourceRanges)
	s.Ports = slices.Clone(s.Ports)
	return s
}

func (s *Service) equal(o *Service) bool {
	return s.Headless == o.Headless && s.ExternalName == o.ExternalName &&
		s.InternalLocal == o.InternalLocal && s.AffinitySeconds == o.AffinitySeconds &&
		maps.Equal(s.Selector, o.Selector) &&
		slices.Equal(s.ClusterIPs, o.ClusterIPs) && slices.Equal(s.ExternalIPs, o.ExternalIPs) &&
		slices.Equal(s.BalancerIPs, o.BalancerIPs) && slices.Equal(s.SourceRanges, o.SourceRanges) &&
		slices.Equal(s.Ports, o.Ports)
}

// targetOn is the workload port behind a service port on one workload. A named target that the workload does not declare
// leads nowhere.
func (p ServicePort) targetOn(w *Workload) (uint16, bool) {
	if p.TargetPort.Type == intstr.String {
		for _, wp := range w.Ports {
			if wp.Name == p.TargetPort.StrVal && sameProtocol(wp.Protocol, p.Protocol) {
				return wp.Port, true
			}
		}
		return 0, false
	}
	return p.numericTarget()
}

// numericTarget is the workload port of a target that is a number; absent, it is the service port.
func (p ServicePort) numericTarget() (uint16, bool) {
	if p.TargetPort.Type != intstr.Int || p.TargetPort.IntVal < 0 || p.TargetPort.IntVal > 65535 {
		return 0, false
	}
	if p.TargetPort.IntVal == 0 {
		return p.Port, true
	}
	return uint16(p.TargetPort.IntVal), true
}

// sameProtocol compares protocols, of which an empty one is TCP.
func sameProtocol(a, b Protocol) bool { return cmp.Or(a, TCP) == cmp.Or(b, TCP) }

// slice is an EndpointSlice in the index.
type slice struct{ EndpointSlice }

// service that the slice belongs to.
func (s *slice) service() types.NamespacedName {
	return types.NamespacedName{Namespace: s.Namespace, Name: s.Service}
}

// port of the slice by the name that it shares with the service port.
func (s *slice) port(name string) (uint16, bool) {
	for _, p := range s.Ports {
		if p.Name == name {
			return p.Port, true
		}
	}
	return 0, false
}

func (s EndpointSlice) clone() EndpointSlice {
	s.Ports = slices.Clone(s.Ports)
	s.Endpoints = slices.Clone(s.Endpoints)
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		e.ZoneHints, e.NodeHints = slices.Clone(e.ZoneHints), slices.Clone(e.NodeHints)
	}
	return s
}

func (s *slice) equal(o *slice) bool {
	return s.Service == o.Service && slices.Equal(s.Ports, o.Ports) && slices.EqualFunc(s.Endpoints, o.Endpoints, sameEndpoint)
}

func sameEndpoint(a, b Endpoint) bool {
	return a.Address == b.Address && a.Pod == b.Pod && a.Node == b.Node &&
		a.Ready == b.Ready && a.Serving == b.Serving && a.Terminating == b.Terminating &&
		slices.Equal(a.ZoneHints, b.ZoneHints) && slices.Equal(a.NodeHints, b.NodeHints)
}

// servicesOf yields the Services whose selector selects a workload, in no particular order. A Service whose endpoints
// somebody else writes is not among them, whatever it points to.
func (s *state) servicesOf(w *Workload) iter.Seq[*service] {
	if ns := s.namespaces[w.Namespace]; ns != nil {
		return ns.selectors.matching(w.Labels)
	}
	return func(func(*service) bool) {}
}

// backends is what stands behind a Service.
type backends struct {
	accounts map[account]struct{}
	// identities of the workloads, by account, each in every trust domain of the mesh.
	identities []string
}

// backendsOf is the view of a Service's endpoints: those of its EndpointSlices or, where there are none, the workloads that
// its selector selects (a folder of YAML has no EndpointSlices).
func (s *state) backendsOf(svc *service) *backends {
	if view := svc.view.Load(); view != nil {
		return view
	}
	accounts := map[account]struct{}{}
	for w := range s.workloadsOf(svc) {
		accounts[w.account()] = struct{}{}
	}
	view := &backends{accounts: accounts, identities: s.identities(accounts)}
	svc.view.Store(view)
	return view
}

// identities of accounts, sorted by namespace and name, each in every trust domain of the mesh: an endpoint may still hold
// a certificate from before a trust domain was renamed.
func (s *state) identities(accounts map[account]struct{}) []string {
	sorted := slices.SortedFunc(maps.Keys(accounts), func(a, b account) int {
		return compareNames(types.NamespacedName(a), types.NamespacedName(b))
	})
	out := make([]string, 0, len(sorted)*len(s.domains))
	for _, a := range sorted {
		for _, d := range s.domains {
			out = append(out, spiffeID(d, a.Namespace, a.Name))
		}
	}
	return out
}

// workloadsOf yields the workloads behind a Service, perhaps more than once.
func (s *state) workloadsOf(svc *service) iter.Seq[*workload] {
	return func(yield func(*workload) bool) {
		ns := s.namespaces[svc.Namespace]
		if ns == nil {
			return
		}
		lists := ns.slicesOf[svc.Name]
		if len(lists) == 0 && len(svc.selector) > 0 {
			s.workloads.matching(svc.Namespace, svc.selector)(yield)
			return
		}
		for list := range lists {
			for i := range list.Endpoints {
				if w := s.workloadAt(&list.Endpoints[i]); w != nil && !yield(w) {
					return
				}
			}
		}
	}
}
