package policy

import (
	"iter"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// state is the tables behind an Index. Whoever calls its methods holds the Index's lock.
type state struct {
	settings Settings
	// domains are trustDomainsOf(settings).
	domains []string

	namespaces map[string]*namespace
	// declared counts the namespaces that exist as objects.
	declared  int
	workloads workloads
	// zones of the nodes, by name.
	zones    map[string]string
	services int
	// serviceIPs finds a Service by an address; the first by name where two claim it.
	serviceIPs map[netip.Addr][]*service
	// endpoints finds the slices that list a pod, endpointsAt those that list an address.
	endpoints   map[types.NamespacedName]map[*slice]struct{}
	endpointsAt map[netip.Addr][]*slice

	peers  map[types.NamespacedName]*peerAuthentication
	rules  map[types.NamespacedName]*destinationRule
	authzs map[types.NamespacedName]*authorizationPolicy
	// exportedToAll and exportedTo find the rules of other namespaces that a namespace's clients may need.
	exportedToAll map[*destinationRule]struct{}
	exportedTo    map[string]map[*destinationRule]struct{}
	// byHost finds the rules of any namespace for exactly one host.
	byHost map[string]map[*destinationRule]struct{}
	// mentions finds the policies that name a namespace.
	mentions map[string]map[proxyconfig.ObjectRef]struct{}
}

func newState(s Settings) *state {
	s.Aliases = slices.Clone(s.Aliases)
	s.ClusterRanges, s.MetricsFrom = slices.Clone(s.ClusterRanges), slices.Clone(s.MetricsFrom)
	return &state{
		settings:      s,
		domains:       trustDomainsOf(s),
		namespaces:    map[string]*namespace{},
		workloads:     workloads{byLabel: map[label]posting{}, byIP: map[netip.Addr][]*workload{}},
		serviceIPs:    map[netip.Addr][]*service{},
		zones:         map[string]string{},
		endpoints:     map[types.NamespacedName]map[*slice]struct{}{},
		endpointsAt:   map[netip.Addr][]*slice{},
		peers:         map[types.NamespacedName]*peerAuthentication{},
		rules:         map[types.NamespacedName]*destinationRule{},
		authzs:        map[types.NamespacedName]*authorizationPolicy{},
		exportedToAll: map[*destinationRule]struct{}{},
		exportedTo:    map[string]map[*destinationRule]struct{}{},
		byHost:        map[string]map[*destinationRule]struct{}{},
		mentions:      map[string]map[proxyconfig.ObjectRef]struct{}{},
	}
}

// namespace is everything that lives in one namespace.
type namespace struct {
	name string
	// object is nil until the Namespace itself is known.
	object *Namespace
	// workloads by name, finished ones apart; proxied counts the live ones that are.
	workloads, finished map[string]*workload
	proxied             int
	services            map[string]*service
	// selectors of the services.
	selectors selectorIndex[*service]
	// slices by name, and by the service they belong to.
	slices   map[string]*slice
	slicesOf map[string]map[*slice]struct{}
	// peer and authz hold the policies in force.
	peer  scope[*peerAuthentication]
	authz scope[*authorizationPolicy]
	rules hostIndex
	// summary of the workloads; see summaryOf.
	summary summaryCache
}

// namespace finds or makes the tables of a namespace.
func (s *state) namespace(name string) *namespace {
	ns := s.namespaces[name]
	if ns == nil {
		ns = &namespace{
			name:      name,
			workloads: map[string]*workload{},
			finished:  map[string]*workload{},
			services:  map[string]*service{},
			slices:    map[string]*slice{},
			slicesOf:  map[string]map[*slice]struct{}{},
		}
		s.namespaces[name] = ns
	}
	return ns
}

// release forgets a namespace in which nothing is left.
func (s *state) release(ns *namespace) {
	if ns.object == nil && len(ns.workloads) == 0 && len(ns.finished) == 0 && len(ns.services) == 0 && len(ns.slices) == 0 &&
		ns.peer.empty() && ns.authz.empty() && ns.rules.empty() {
		delete(s.namespaces, ns.name)
	}
}

// scopes yields the root namespace and the given one: where policies for its workloads stand.
func (s *state) scopes(name string) iter.Seq[*namespace] {
	return func(yield func(*namespace) bool) {
		if root := s.namespaces[s.settings.RootNamespace]; root != nil && !yield(root) {
			return
		}
		if ns := s.namespaces[name]; ns != nil && name != s.settings.RootNamespace {
			yield(ns)
		}
	}
}

// workload finds a pod, or nil.
func (s *state) workload(name types.NamespacedName) *workload {
	ns := s.namespaces[name.Namespace]
	if ns == nil {
		return nil
	}
	if w := ns.workloads[name.Name]; w != nil {
		return w
	}
	return ns.finished[name.Name]
}

// service finds a Service, or nil.
func (s *state) service(name types.NamespacedName) *service {
	if ns := s.namespaces[name.Namespace]; ns != nil {
		return ns.services[name.Name]
	}
	return nil
}

// live yields the workloads of a namespace, or of all for "", in no particular order.
func (s *state) live(namespace string) iter.Seq[*workload] {
	return func(yield func(*workload) bool) {
		if namespace == "" {
			for name := range s.namespaces {
				for w := range s.live(name) {
					if !yield(w) {
						return
					}
				}
			}
			return
		}
		ns := s.namespaces[namespace]
		if ns == nil {
			return
		}
		for _, w := range ns.workloads {
			if !yield(w) {
				return
			}
		}
	}
}
