package policy

import (
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Selected is the number of workloads that a policy selects, and how many of them enforce it (are proxied). A
// DestinationRule selects the client workloads that it applies to. A PeerAuthentication or DestinationRule with errors is
// not in force and selects nothing; finished pods are not selected.
func (ix *Index) Selected(object proxyconfig.ObjectRef) (selected, proxied int) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	for _, a := range ix.state.selection(object) {
		n, p := ix.state.countIn(a)
		selected, proxied = selected+n, proxied+p
	}
	return selected, proxied
}

// SelectedWorkloads lists them, sorted.
func (ix *Index) SelectedWorkloads(object proxyconfig.ObjectRef) []types.NamespacedName {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	var out []types.NamespacedName
	for _, a := range ix.state.selection(object) {
		for w := range ix.state.in(a) {
			out = append(out, w.name())
		}
	}
	slices.SortFunc(out, compareNames)
	return out
}

// area is a disjoint part of what a policy selects: a namespace, or all of them for "", narrowed by a selector.
type area struct {
	namespace string
	selector  selector
}

// selection is where a policy holds.
func (s *state) selection(object proxyconfig.ObjectRef) []area {
	name := types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
	root := s.settings.RootNamespace
	switch object.Kind {
	case v1alpha1.KindPeerAuthentication:
		if p := s.peers[name]; p != nil && p.inForce(root) {
			return s.selectionOf(&p.header)
		}
	case v1alpha1.KindAuthorizationPolicy:
		if p := s.authzs[name]; p != nil {
			return s.selectionOf(&p.header)
		}
	case v1alpha1.KindDestinationRule:
		if r := s.rules[name]; r != nil && r.broken == "" {
			return s.clientAreas(r)
		}
	}
	return nil
}

// selectionOf is the scope of a server-side policy: the mesh for one of the root namespace, else its own namespace.
func (s *state) selectionOf(h *header) []area {
	if h.ref.Namespace == s.settings.RootNamespace {
		return []area{{"", h.selector}}
	}
	return []area{{h.ref.Namespace, h.selector}}
}

// clientAreas is where the clients are that a rule applies to.
func (s *state) clientAreas(r *destinationRule) []area {
	own, root := r.ref.Namespace, s.settings.RootNamespace
	if len(r.selector) > 0 {
		return []area{{own, r.selector}}
	}
	if r.foreign && r.exports.all {
		return []area{{namespace: ""}}
	}
	var out []area
	if r.appliesIn(own, root) {
		out = append(out, area{namespace: own})
	}
	if r.foreign {
		for _, namespace := range r.exports.namespaces {
			if namespace != own {
				out = append(out, area{namespace: namespace})
			}
		}
	}
	return out
}

// appliesIn says whether clients of the rule's own namespace see it. In the root namespace exportTo counts for them too.
func (r *destinationRule) appliesIn(own, root string) bool { return own != root || r.exports.to(root) }

// in yields the live workloads of an area.
func (s *state) in(a area) iter.Seq[*workload] {
	switch {
	case len(a.selector) == 0:
		return s.live(a.namespace)
	case a.namespace == "":
		return s.workloads.matchingAnywhere(a.selector)
	default:
		return s.workloads.matching(a.namespace, a.selector)
	}
}

// selected yields the workloads that a server-side policy of a namespace selects.
func (s *state) selected(namespace string, sel selector) iter.Seq[*workload] {
	if namespace == s.settings.RootNamespace {
		namespace = ""
	}
	return s.in(area{namespace, sel})
}

// countIn counts an area: whole namespaces are counted already, the rest is walked.
func (s *state) countIn(a area) (selected, proxied int) {
	if len(a.selector) == 0 && a.namespace != "" {
		if ns := s.namespaces[a.namespace]; ns != nil {
			return len(ns.workloads), ns.proxied
		}
		return 0, 0
	}
	if len(a.selector) == 0 {
		return s.workloads.live, s.workloads.proxied
	}
	for w := range s.in(a) {
		selected++
		if w.Proxied {
			proxied++
		}
	}
	return selected, proxied
}

// export makes a rule known to the clients of other namespaces.
func (s *state) export(r *destinationRule) {
	addTo(s.byHost, r.host, r)
	if !r.foreign || len(r.selector) > 0 {
		return
	}
	if r.exports.all {
		s.exportedToAll[r] = struct{}{}
		return
	}
	for _, namespace := range r.exports.namespaces {
		addTo(s.exportedTo, namespace, r)
	}
}

// withdraw undoes export.
func (s *state) withdraw(r *destinationRule) {
	removeAt(s.byHost, r.host, r)
	delete(s.exportedToAll, r)
	for _, namespace := range r.exports.namespaces {
		removeAt(s.exportedTo, namespace, r)
	}
}

// addTo and removeAt keep a table of sets without empty sets.
func addTo[K, V comparable](table map[K]map[V]struct{}, key K, value V) {
	if table[key] == nil {
		table[key] = map[V]struct{}{}
	}
	table[key][value] = struct{}{}
}

func removeAt[K, V comparable](table map[K]map[V]struct{}, key K, value V) {
	delete(table[key], value)
	if len(table[key]) == 0 {
		delete(table, key)
	}
}
