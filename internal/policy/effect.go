package policy

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// effect gathers what a change may alter.
type effect struct {
	policies map[proxyconfig.ObjectRef]struct{}
	// scopes whose workloads may be configured differently, and single workloads.
	scopes  []area
	singles []types.NamespacedName
	// services, addresses and destinations are Change's Services, Addresses and AllDestinations.
	services     map[types.NamespacedName]struct{}
	addresses    []netip.Addr
	destinations bool
}

func (e *effect) service(name types.NamespacedName) {
	if e.services == nil {
		e.services = map[types.NamespacedName]struct{}{}
	}
	e.services[name] = struct{}{}
}

func (e *effect) policy(h *header) { e.ref(h.ref) }

func (e *effect) ref(r proxyconfig.ObjectRef) {
	if e.policies == nil {
		e.policies = map[proxyconfig.ObjectRef]struct{}{}
	}
	e.policies[r] = struct{}{}
}

func (e *effect) refs(set map[proxyconfig.ObjectRef]struct{}) {
	for r := range set {
		e.ref(r)
	}
}

// scope adds the workloads that a policy of the namespace with this selector selects.
func (e *effect) scope(namespace string, s selector) {
	same := func(a area) bool { return a.namespace == namespace && slices.Equal(a.selector, s) }
	if !slices.ContainsFunc(e.scopes, same) {
		e.scopes = append(e.scopes, area{namespace, s})
	}
}

// change turns the effect into what callers are told. A whole namespace is listed without looking for duplicates: no other
// scope of the same change can add anything to it.
func (e *effect) change(s *state) Change {
	c := Change{AllDestinations: e.destinations}
	for r := range e.policies {
		c.Policies = append(c.Policies, r)
	}
	if !e.destinations {
		c.Addresses = e.addresses
		for name := range e.services {
			c.Services = append(c.Services, name)
		}
	}
	whole := map[string]bool{}
	for _, a := range e.scopes {
		if len(a.selector) == 0 && a.namespace == s.settings.RootNamespace {
			c.AllWorkloads = true
			return c
		}
		if len(a.selector) == 0 && !whole[a.namespace] {
			whole[a.namespace] = true
			c.Workloads = append(c.Workloads, s.namesIn(a.namespace)...)
		}
	}
	c.Workloads = append(c.Workloads, e.remaining(s, whole)...)
	return c
}

// namesIn lists the live workloads of a namespace.
func (s *state) namesIn(namespace string) []types.NamespacedName {
	ns := s.namespaces[namespace]
	if ns == nil {
		return nil
	}
	out := make([]types.NamespacedName, 0, len(ns.workloads))
	for name := range ns.workloads {
		out = append(out, types.NamespacedName{Namespace: namespace, Name: name})
	}
	return out
}

// remaining lists, once each, the workloads outside the namespaces that are listed whole.
func (e *effect) remaining(s *state, whole map[string]bool) []types.NamespacedName {
	seen := map[types.NamespacedName]struct{}{}
	var out []types.NamespacedName
	add := func(name types.NamespacedName) {
		if _, dup := seen[name]; !dup && !whole[name.Namespace] {
			seen[name] = struct{}{}
			out = append(out, name)
		}
	}
	for _, name := range e.singles {
		add(name)
	}
	for _, a := range e.scopes {
		if len(a.selector) > 0 {
			for w := range s.selected(a.namespace, a.selector) {
				add(w.name())
			}
		}
	}
	return out
}

// selecting adds a workload and every policy that selects it, or applies to it as a client.
func (s *state) selecting(w *workload, e *effect) {
	if w.Finished {
		return
	}
	e.singles = append(e.singles, w.name())
	for ns := range s.scopes(w.Namespace) {
		for p := range ns.peer.selecting(w.Labels) {
			e.policy(&p.header)
		}
		for p := range ns.authz.selecting(w.Labels) {
			e.policy(&p.header)
		}
	}
	if ns := s.namespaces[w.Namespace]; ns != nil {
		for r := range ns.rules.all() {
			if r.appliesIn(w.Namespace, s.settings.RootNamespace) && r.selector.matches(w.Labels) {
				e.policy(&r.header)
			}
		}
	}
	for r := range s.exportedToAll {
		e.policy(&r.header)
	}
	for r := range s.exportedTo[w.Namespace] {
		e.policy(&r.header)
	}
}

// reaching adds what leads to a workload: its addresses, and the Services that it is an endpoint of.
func (s *state) reaching(w *workload, e *effect) {
	e.addresses = append(e.addresses, w.IPs...)
	s.servicesAt(w, e.service)
}

// offering adds what leads to a Service: its name, and the addresses at which it stands or, where it is headless, those of
// its pods.
func (s *state) offering(svc *service, e *effect) {
	e.service(svc.name())
	e.addresses = append(e.addresses, svc.addresses()...)
	if !svc.Headless || len(svc.selector) == 0 {
		return
	}
	for w := range s.workloads.matching(svc.Namespace, svc.selector) {
		e.addresses = append(e.addresses, w.IPs...)
	}
}

// rivalsOf adds the PeerAuthentications that compete with p: for its scope, or for some workload.
func (s *state) rivalsOf(p *peerAuthentication, e *effect) {
	ns := s.namespaces[p.ref.Namespace]
	if ns == nil {
		return
	}
	if len(p.selector) == 0 {
		for _, other := range ns.peer.wide {
			e.policy(&other.header)
		}
		return
	}
	for other := range ns.peer.narrow.all() {
		if other.selector.covers(p.selector) || p.selector.covers(other.selector) {
			e.policy(&other.header)
		}
	}
	for w := range s.workloads.matching(p.ref.Namespace, p.selector) {
		for other := range ns.peer.narrow.matching(w.Labels) {
			e.policy(&other.header)
		}
	}
}

// deniedWith adds the ALLOW policies that p, if it denies everything, puts out of reach.
func (s *state) deniedWith(p *authorizationPolicy, e *effect) {
	if !p.deniesAll() {
		return
	}
	add := func(ns *namespace) {
		for other := range ns.authz.all() {
			if other.policy.Action == proxyconfig.Allow {
				e.policy(&other.header)
			}
		}
	}
	if p.ref.Namespace == s.settings.RootNamespace {
		for _, ns := range s.namespaces {
			add(ns)
		}
	} else if ns := s.namespaces[p.ref.Namespace]; ns != nil {
		add(ns)
	}
}

// neighboursOf adds the rules that share hosts with r: of its namespace and, for the root namespace's, of all.
func (s *state) neighboursOf(r *destinationRule, e *effect) {
	add := func(ns *namespace) {
		for other := range ns.rules.all() {
			if hostMatches(r.host, other.host) || hostMatches(other.host, r.host) {
				e.policy(&other.header)
			}
		}
	}
	if r.ref.Namespace == s.settings.RootNamespace {
		for _, ns := range s.namespaces {
			add(ns)
		}
	} else if ns := s.namespaces[r.ref.Namespace]; ns != nil {
		add(ns)
	}
}

// clientsOf adds the scopes of the clients whose default a rule may change.
func (s *state) clientsOf(r *destinationRule, e *effect) {
	own := r.ref.Namespace
	if len(r.selector) > 0 || own != s.settings.RootNamespace {
		e.clients(s, own, r.selector)
		return
	}
	if r.exports.all {
		e.scope(own, nil)
		return
	}
	for _, namespace := range r.exports.namespaces {
		e.clients(s, namespace, nil)
	}
}

// clients adds workloads of one namespace alone, the root namespace included: a rule in it does not select the whole mesh.
func (e *effect) clients(s *state, namespace string, sel selector) {
	if namespace != s.settings.RootNamespace {
		e.scope(namespace, sel)
		return
	}
	for w := range s.live(namespace) {
		if sel.matches(w.Labels) {
			e.singles = append(e.singles, w.name())
		}
	}
}

// describing adds the policies whose findings depend on what a Service says about its host and ports.
func (s *state) describing(svc *service, e *effect) {
	for r := range s.byHost[svc.host] {
		e.policy(&r.header)
	}
	for ns := range s.scopes(svc.Namespace) {
		for p := range ns.authz.all() {
			if p.http {
				e.policy(&p.header)
			}
		}
	}
	if ns := s.namespaces[svc.Namespace]; ns != nil {
		for p := range ns.peer.narrow.all() {
			if len(p.ports) > 0 {
				e.policy(&p.header)
			}
		}
	}
}

// narrowPolicies adds every policy with a selector.
func (s *state) narrowPolicies(e *effect) {
	for _, p := range s.peers {
		if len(p.selector) > 0 {
			e.policy(&p.header)
		}
	}
	for _, p := range s.authzs {
		if len(p.selector) > 0 {
			e.policy(&p.header)
		}
	}
	for _, r := range s.rules {
		if len(r.selector) > 0 {
			e.policy(&r.header)
		}
	}
}

// allPolicies lists every policy.
func (s *state) allPolicies() []proxyconfig.ObjectRef {
	out := make([]proxyconfig.ObjectRef, 0, len(s.peers)+len(s.rules)+len(s.authzs))
	for _, p := range s.peers {
		out = append(out, p.ref)
	}
	for _, r := range s.rules {
		out = append(out, r.ref)
	}
	for _, p := range s.authzs {
		out = append(out, p.ref)
	}
	return out
}
