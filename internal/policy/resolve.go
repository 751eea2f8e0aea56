package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// Resolution is where a dialled address leads.
type Resolution struct {
	// Service behind the address; empty for a pod's own address that no headless Service stands for.
	Service types.NamespacedName
	// Port dialled: of the Service or, without one, of the pod. ServicePort describes it; it is zero without a Service.
	Port        uint16
	ServicePort ServicePort
	// Host dialled, where there is no Service.
	Host string
	// Backends that may answer, sorted: pods by name, then bare addresses.
	Backends []Backend
}

// Backend is one endpoint.
type Backend struct {
	// Workload behind the address; empty when it is not a pod that the index knows.
	Workload types.NamespacedName
	// Address is zero for a pod that has none yet (a manifest).
	Address netip.Addr
	// Port of the workload, after targetPort.
	Port uint16
	// Ready to receive traffic.
	Ready bool
}

// Destination is the question for Client when this backend has been chosen.
func (r Resolution) Destination(b Backend) Destination {
	return Destination{Service: r.Service, Host: r.Host, Port: r.Port, Workload: b.Workload, WorkloadPort: b.Port}
}

// ResolveService finds what is behind a port of a Service: the endpoints of its EndpointSlices or, where it has none, the
// workloads that its selector selects. The error says what is missing and what there is instead.
func (ix *Index) ResolveService(name types.NamespacedName, port uint16) (Resolution, error) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	svc := ix.state.service(name)
	if svc == nil {
		return Resolution{}, fmt.Errorf("service %s is not known", name)
	}
	sp, ok := svc.port(port)
	if !ok {
		return Resolution{}, fmt.Errorf("service %s has no port %d: it has %s", name, port, portList(svc.Ports))
	}
	return ix.state.resolve(svc, sp), nil
}

// ResolveAddress finds what a client reaches at an address: a Service by its IP, or a pod by its own. A pod behind a headless
// Service is reached through the Service, whose name is how clients found the address. False: the address is nobody's in
// the cluster.
func (ix *Index) ResolveAddress(addr netip.AddrPort) (Resolution, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	t, known := ix.state.targetAt(netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
	if !known {
		return Resolution{}, false
	}
	return ix.state.resolution(t), true
}

func (s *state) resolve(svc *service, sp ServicePort) Resolution {
	r := Resolution{Service: svc.name(), Port: sp.Port, ServicePort: sp}
	ns := s.namespaces[svc.Namespace]
	if lists := ns.slicesOf[svc.Name]; len(lists) > 0 {
		for list := range lists {
			r.Backends = append(r.Backends, s.endpointsOf(list, sp)...)
		}
	} else if len(svc.selector) > 0 {
		for w := range s.workloads.matching(svc.Namespace, svc.selector) {
			if port, ok := sp.targetOn(&w.Workload); ok {
				r.Backends = append(r.Backends, Backend{Workload: w.name(), Address: firstOf(w.IPs), Port: port, Ready: true})
			}
		}
	}
	// While slices are rewritten an endpoint may stand in two of them: it is ready if one says so.
	slices.SortFunc(r.Backends, compareBackends)
	r.Backends = slices.CompactFunc(r.Backends, func(a, b Backend) bool { b.Ready = a.Ready; return a == b })
	return r
}

// endpointsOf lists the endpoints of a slice that serve a service port: slices and services agree on the port's name.
func (s *state) endpointsOf(list *slice, sp ServicePort) []Backend {
	port, ok := list.port(sp.Name)
	if !ok {
		return nil
	}
	var out []Backend
	for i := range list.Endpoints {
		e := &list.Endpoints[i]
		b := Backend{Address: e.Address, Port: port, Ready: e.Ready}
		if w := s.workloadAt(e); w != nil {
			b.Workload = w.name()
		}
		out = append(out, b)
	}
	return out
}

// headlessOf is the first headless Service by name that has the workload as an endpoint on a port. Clients of a headless
// Service dial the pod's own port, and some the service port as if it were that.
func (s *state) headlessOf(w *workload, port uint16) (*service, ServicePort) {
	var found *service
	var at ServicePort
	for svc := range s.servicesOf(&w.Workload) {
		if !svc.Headless || found != nil && compareNames(found.name(), svc.name()) < 0 {
			continue
		}
		for _, sp := range svc.Ports {
			if target, ok := sp.targetOn(&w.Workload); ok && target == port && sameProtocol(sp.Protocol, TCP) {
				found, at = svc, sp
				break
			}
		}
	}
	return found, at
}

// compareBackends puts pods by name first, then bare addresses, and of equal ones the ready first.
func compareBackends(a, b Backend) int {
	return cmp.Or(
		first(a.Workload.Name != "", b.Workload.Name != ""),
		compareNames(a.Workload, b.Workload),
		a.Address.Compare(b.Address),
		cmp.Compare(a.Port, b.Port),
		first(a.Ready, b.Ready),
	)
}

// first orders what is true before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

func firstOf(ips []netip.Addr) netip.Addr {
	if len(ips) == 0 {
		return netip.Addr{}
	}
	return ips[0]
}

func portList(ports []ServicePort) string {
	if len(ports) == 0 {
		return "none"
	}
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = fmt.Sprint(p.Port)
	}
	return strings.Join(texts, ", ")
}
