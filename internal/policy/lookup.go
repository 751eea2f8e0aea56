package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Lookup is what a client is told about an address that it dials: whose it is, which endpoints it may use now, and how it
// must begin with each. An address of nobody in the cluster is not Known, unless a DestinationRule for it says how to begin:
// then it is its own endpoint. Only TCP is meant. The answer shares memory with the index: read it, do not write to it.
func (ix *Index) Lookup(client Workload, to netip.AddrPort) proxyconfig.Address {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	s := ix.state
	out := proxyconfig.Address{Address: to}
	at := netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	t, known := s.targetAt(at)
	if !known {
		s.foreign(&client, at, &out)
		return out
	}
	out.Known = true
	if t.service != nil {
		out.Service = t.service.name().String()
	}
	usable := s.placeOf(&client).usable(s, t)
	if len(usable) == 0 || t.workload == nil && !t.service.admits(&client, at.Addr()) {
		return out
	}
	if t.workload == nil {
		out.AffinitySeconds = t.service.AffinitySeconds
	}
	ways := s.waysTo(&client, t)
	out.Endpoints = make([]proxyconfig.Endpoint, len(usable))
	for i, c := range usable {
		w := s.workloadAt(c.endpoint)
		out.Endpoints[i] = proxyconfig.Endpoint{Address: c.address, TLS: ways.begin(w, c.address.Port())}
		if w != nil && w.NotProxied != NotProxiedHostNetwork { // whose address is the node's
			out.Endpoints[i].Workload = w.name().String()
		}
	}
	out.TLS = ways.table
	return out
}

// foreign answers about an address of nobody in the cluster.
func (s *state) foreign(client *Workload, at netip.AddrPort, out *proxyconfig.Address) {
	d := s.dialled(Destination{Host: at.Addr().String(), Port: at.Port()})
	if rule, tls := s.choiceOf(client, d); tls != nil {
		out.Known = true
		out.Endpoints = []proxyconfig.Endpoint{{Address: at}}
		out.TLS = []proxyconfig.ClientTLS{s.choose(rule, tls, d)}
	}
}

// target is what stands at an address.
type target struct {
	dialled netip.AddrPort
	// service behind the address, and its port; nil for a pod's own address that no headless Service stands for. Without
	// served it has no such TCP port.
	service *service
	port    ServicePort
	served  bool
	// workload whose own address it is.
	workload *workload
}

// targetAt finds whose an address is: first the Service's whose cluster address it is, then the pod's, then that of a
// Service with such an external address and port. Whoever may write Services can claim any external address, so that it
// takes nothing from those to whom the cluster gave theirs; and what else answers at it (a node) keeps its other ports.
func (s *state) targetAt(to netip.AddrPort) (target, bool) {
	ip, t := to.Addr(), target{dialled: to}
	claims := s.serviceIPs[ip]
	if i := slices.IndexFunc(claims, func(svc *service) bool { return slices.Contains(svc.ClusterIPs, ip) }); i >= 0 {
		t.service = claims[i]
		t.port, t.served = t.service.tcpPort(to.Port())
		return t, true
	}
	if owners := s.workloads.byIP[ip]; len(owners) > 0 {
		t.workload, t.served = owners[0], true
		t.service, t.port = s.headlessOf(t.workload, to.Port())
		return t, true
	}
	for _, svc := range claims {
		if t.port, t.served = svc.tcpPort(to.Port()); t.served {
			t.service = svc
			return t, true
		}
	}
	return target{}, false
}

// resolution is a target for those who ask what is there and not how to use it.
func (s *state) resolution(t target) Resolution {
	switch {
	case t.workload != nil:
		ip := t.dialled.Addr()
		r := Resolution{Host: ip.String(), Port: t.dialled.Port()}
		if t.service != nil {
			r = Resolution{Service: t.service.name(), Port: t.port.Port, ServicePort: t.port}
		}
		r.Backends = []Backend{{Workload: t.workload.name(), Address: ip, Port: t.dialled.Port(), Ready: true}}
		return r
	case !t.served:
		return Resolution{Service: t.service.name(), Port: t.dialled.Port()}
	default:
		return s.resolve(t.service, t.port)
	}
}

// candidate is an endpoint and the address at which it serves the port in question.
type candidate struct {
	address  netip.AddrPort
	endpoint *Endpoint
}

// candidates are the endpoints behind a port of a Service that have addresses of a family, by address, each once.
func (s *state) candidates(svc *service, sp ServicePort, v4 bool) []candidate {
	var out []candidate
	add := func(e *Endpoint, port uint16) {
		if e.Address.IsValid() && e.Address.Is4() == v4 {
			out = append(out, candidate{netip.AddrPortFrom(e.Address, port), e})
		}
	}
	ns := s.namespaces[svc.Namespace]
	if lists := ns.slicesOf[svc.Name]; len(lists) > 0 {
		for list := range lists {
			if port, ok := list.port(sp.Name); ok {
				for i := range list.Endpoints {
					add(&list.Endpoints[i], port)
				}
			}
		}
	} else if len(svc.selector) > 0 {
		for w := range s.workloads.matching(svc.Namespace, svc.selector) {
			if port, ok := sp.targetOn(&w.Workload); ok {
				for _, ip := range w.IPs {
					add(&Endpoint{Address: ip, Pod: w.name(), Node: w.Node, Ready: true, Serving: true}, port)
				}
			}
		}
	}
	slices.SortFunc(out, compareCandidates)
	return slices.CompactFunc(out, func(a, b candidate) bool { return a.address == b.address })
}

// compareCandidates is by address. While slices are rewritten an endpoint may stand in two of them, and an address may have
// gone from a pod that ends to the next: whoever does not end is first, then whoever is ready.
func compareCandidates(a, b candidate) int {
	return cmp.Or(
		a.address.Compare(b.address),
		first(!a.endpoint.Terminating, !b.endpoint.Terminating),
		first(a.endpoint.Ready, b.endpoint.Ready),
		first(a.endpoint.Serving, b.endpoint.Serving),
		compareNames(a.endpoint.Pod, b.endpoint.Pod),
		cmp.Compare(a.endpoint.Node, b.endpoint.Node),
		slices.Compare(a.endpoint.ZoneHints, b.endpoint.ZoneHints),
		slices.Compare(a.endpoint.NodeHints, b.endpoint.NodeHints),
	)
}

// workloadAt is the pod at an endpoint: whoever has the address, which is who will be reached whatever the endpoint says,
// so that nobody is sent plaintext because a reference is missing or wrong. Of several that have it for a moment it is the
// one that the endpoint names. Where nobody has it (a manifest, the node's network) the endpoint is believed.
func (s *state) workloadAt(e *Endpoint) *workload {
	owners := s.workloads.byIP[e.Address]
	if len(owners) == 1 || len(owners) > 1 && e.Pod.Name == "" {
		return owners[0]
	}
	var named *workload
	if e.Pod.Name != "" {
		named = s.workload(e.Pod)
	}
	switch {
	case len(owners) > 0 && !slices.Contains(owners, named):
		return owners[0]
	case named != nil && named.Finished:
		return nil
	default:
		return named
	}
}

// servicesAt yields the names of the Services that a pod is an endpoint of, as far as that follows from the pod: those whose
// slices list it or one of its addresses, and those that have no slices and select it.
func (s *state) servicesAt(w *workload, yield func(types.NamespacedName)) {
	for list := range s.endpoints[w.name()] {
		yield(list.service())
	}
	for _, ip := range w.IPs {
		for _, list := range s.endpointsAt[ip] {
			yield(list.service())
		}
	}
	for svc := range s.servicesOf(&w.Workload) {
		if len(s.namespaces[svc.Namespace].slicesOf[svc.Name]) == 0 {
			yield(svc.name())
		}
	}
}
