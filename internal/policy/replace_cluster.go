package policy

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/naming"
)

func (s *state) replaceNamespace(name string, now *Namespace) Change {
	ns := s.namespace(name)
	old, declared := ns.object, s.declared
	ns.object = now
	if old != nil {
		s.declared--
	}
	if now != nil {
		s.declared++
	}
	s.release(ns)
	var e effect
	switch {
	case (old == nil) == (now == nil):
	case declared == 0 || s.declared == 0:
		// Before the first Namespace nothing is called unknown; see unknownNamespaces.
		for name := range s.mentions {
			e.refs(s.mentions[name])
		}
	default:
		e.refs(s.mentions[name])
	}
	if injectionOf(old) != injectionOf(now) && name != s.settings.RootNamespace {
		e.scope(name, nil) // findings about its workloads depend on whether it takes part
	}
	return e.change(s)
}

// injectionOf is what a namespace says about taking part; nil says nothing.
func injectionOf(ns *Namespace) string {
	if ns == nil {
		return ""
	}
	return ns.Labels[naming.LabelInjection]
}

func (s *state) replaceWorkload(old, now *workload) Change {
	var e effect
	same := old != nil && now != nil && old.samePolicy(&now.Workload)
	moved := !same || !old.samePlace(&now.Workload)
	if same && old.Node != now.Node && !now.Finished {
		e.singles = append(e.singles, now.name()) // as a client it is nearer to other endpoints
	}
	if old != nil && moved {
		s.reaching(old, &e)
	}
	for _, w := range []*workload{old, now} {
		if w != nil && !same {
			s.selecting(w, &e)
		}
	}
	none := s.workloads.live == 0
	if old != nil {
		s.unlinkWorkload(old)
	}
	if now != nil {
		s.linkWorkload(now)
	}
	if now != nil && moved {
		s.reaching(now, &e)
	}
	if none != (s.workloads.live == 0) {
		s.narrowPolicies(&e)
	}
	return e.change(s)
}

func (s *state) linkWorkload(w *workload) {
	ns := s.namespace(w.Namespace)
	s.dropViews(ns, w)
	if w.Finished {
		ns.finished[w.Name] = w
		return
	}
	ns.workloads[w.Name] = w
	if w.Proxied {
		ns.proxied++
	}
	s.workloads.add(w)
}

func (s *state) unlinkWorkload(w *workload) {
	ns := s.namespace(w.Namespace)
	s.dropViews(ns, w)
	if w.Finished {
		delete(ns.finished, w.Name)
	} else {
		s.workloads.remove(w)
		if w.Proxied {
			ns.proxied--
		}
		delete(ns.workloads, w.Name)
	}
	s.release(ns)
}

// dropViews forgets what was worked out from a workload.
func (s *state) dropViews(ns *namespace, w *workload) {
	ns.summary.drop()
	s.servicesAt(w, func(name types.NamespacedName) {
		if svc := s.service(name); svc != nil {
			svc.view.Store(nil)
		}
	})
}

// replaceNode keeps the zones of nodes. What changes with one is which endpoints are near to the clients that run there.
func (s *state) replaceNode(name string, now *Node) Change {
	zone := ""
	if now != nil {
		zone = now.Zone
	}
	if zone == s.zones[name] {
		return Change{}
	}
	if zone == "" {
		delete(s.zones, name)
	} else {
		s.zones[name] = zone
	}
	var e effect
	for w := range s.live("") {
		if w.Node == name {
			e.singles = append(e.singles, w.name())
		}
	}
	return e.change(s)
}

func (s *state) replaceService(old, now *service) Change {
	var e effect
	if old != nil && now != nil && old.equal(&now.Service) {
		return Change{}
	}
	none := s.services == 0
	alike := old != nil && now != nil && slices.Equal(old.selector, now.selector) && slices.Equal(old.spoken, now.spoken)
	for _, svc := range []*service{old, now} {
		if svc != nil {
			s.describing(svc, &e)
			s.offering(svc, &e)
			if !alike {
				s.speaking(svc, &e)
			}
		}
	}
	if old != nil {
		s.unlinkService(old)
	}
	if now != nil {
		s.linkService(now)
	}
	if none != (s.services == 0) {
		for _, r := range s.rules {
			e.policy(&r.header)
		}
	}
	return e.change(s)
}

func (s *state) linkService(svc *service) {
	ns := s.namespace(svc.Namespace)
	ns.services[svc.Name] = svc
	if len(svc.selector) > 0 {
		ns.selectors.add(svc.selector, svc)
	}
	for _, ip := range svc.addresses() {
		s.serviceIPs[ip] = insertByName(s.serviceIPs[ip], svc)
	}
	ns.summary.drop()
	s.services++
}

func (s *state) unlinkService(svc *service) {
	ns := s.namespace(svc.Namespace)
	delete(ns.services, svc.Name)
	if len(svc.selector) > 0 {
		ns.selectors.remove(svc.selector, svc)
	}
	for _, ip := range svc.addresses() {
		if rest := removeFrom(s.serviceIPs[ip], svc); len(rest) > 0 {
			s.serviceIPs[ip] = rest
		} else {
			delete(s.serviceIPs, ip)
		}
	}
	ns.summary.drop()
	s.services--
	s.release(ns)
}

// replaceSlice changes no configuration and no finding: which workloads a Service selects is read from its selector. What
// changes is where the Service leads and whose identities a client expects there.
func (s *state) replaceSlice(name types.NamespacedName, now *slice) Change {
	ns := s.namespace(name.Namespace)
	var e effect
	old := ns.slices[name.Name]
	if old != nil && now != nil && old.equal(now) {
		return Change{}
	}
	if old != nil {
		e.service(old.service())
		delete(ns.slices, name.Name)
		s.unlinkEndpoints(ns, old)
	}
	if now != nil {
		e.service(now.service())
		ns.slices[name.Name] = now
		s.linkEndpoints(ns, now)
	}
	s.release(ns)
	return e.change(s)
}

func (s *state) linkEndpoints(ns *namespace, list *slice) {
	addTo(ns.slicesOf, list.Service, list)
	for _, e := range list.Endpoints {
		if e.Pod.Name != "" {
			addTo(s.endpoints, e.Pod, list)
		}
		s.endpointsAt[e.Address] = append(s.endpointsAt[e.Address], list)
	}
	ns.dropView(list.Service)
}

func (s *state) unlinkEndpoints(ns *namespace, list *slice) {
	removeAt(ns.slicesOf, list.Service, list)
	for _, e := range list.Endpoints {
		removeAt(s.endpoints, e.Pod, list)
		if rest := removeFrom(s.endpointsAt[e.Address], list); len(rest) > 0 {
			s.endpointsAt[e.Address] = rest
		} else {
			delete(s.endpointsAt, e.Address)
		}
	}
	ns.dropView(list.Service)
}

func (ns *namespace) dropView(service string) {
	if svc := ns.services[service]; svc != nil {
		svc.view.Store(nil)
	}
}

// clone copies what a Namespace points to.
func (n Namespace) clone() Namespace {
	n.Labels = maps.Clone(n.Labels)
	return n
}
