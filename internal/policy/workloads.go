package policy

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// workload is a pod in the index.
type workload struct{ Workload }

func (w *workload) name() types.NamespacedName {
	return types.NamespacedName{Namespace: w.Namespace, Name: w.Name}
}

// clone copies what a Workload points to.
func (w Workload) clone() Workload {
	w.Labels = maps.Clone(w.Labels)
	w.IPs = slices.Clone(w.IPs)
	w.Ports = slices.Clone(w.Ports)
	w.ExcludedInboundPorts = slices.Clone(w.ExcludedInboundPorts)
	w.ClientWaits = slices.Clone(w.ClientWaits)
	return w
}

// samePolicy says whether nothing differs that policies see. Addresses may.
func (w *Workload) samePolicy(o *Workload) bool {
	return maps.Equal(w.Labels, o.Labels) &&
		w.ServiceAccount == o.ServiceAccount &&
		w.Proxied == o.Proxied && w.NotProxied == o.NotProxied && w.Finished == o.Finished &&
		slices.Equal(w.Ports, o.Ports) && slices.Equal(w.ExcludedInboundPorts, o.ExcludedInboundPorts) &&
		slices.Equal(w.ClientWaits, o.ClientWaits)
}

// samePlace says whether the workload is reached as before, and reaches others from where it did.
func (w *Workload) samePlace(o *Workload) bool { return w.Node == o.Node && slices.Equal(w.IPs, o.IPs) }

// WithProxy is the workload as it will be once the injector has added the proxy: what a manifest describes that has not
// been admitted yet.
func (w Workload) WithProxy() Workload {
	w.Proxied, w.NotProxied = true, ""
	return w
}

// posting lists the workloads that carry a label, by namespace.
type posting map[string]map[*workload]struct{}

// workloads of the index, live ones found by label and address. Finished pods are known by name only: they receive no
// traffic and no policy selects them.
type workloads struct {
	byLabel map[label]posting
	byIP    map[netip.Addr][]*workload
	// live workloads, and those of them that are proxied.
	live, proxied int
}

func (t *workloads) add(w *workload) {
	t.live++
	if w.Proxied {
		t.proxied++
	}
	for k, v := range w.Labels {
		byNamespace := t.byLabel[label{k, v}]
		if byNamespace == nil {
			byNamespace = posting{}
			t.byLabel[label{k, v}] = byNamespace
		}
		if byNamespace[w.Namespace] == nil {
			byNamespace[w.Namespace] = map[*workload]struct{}{}
		}
		byNamespace[w.Namespace][w] = struct{}{}
	}
	for _, ip := range w.IPs {
		t.byIP[ip] = insertByName(t.byIP[ip], w)
	}
}

func (t *workloads) remove(w *workload) {
	t.live--
	if w.Proxied {
		t.proxied--
	}
	for k, v := range w.Labels {
		l := label{k, v}
		byNamespace := t.byLabel[l]
		delete(byNamespace[w.Namespace], w)
		if len(byNamespace[w.Namespace]) == 0 {
			delete(byNamespace, w.Namespace)
		}
		if len(byNamespace) == 0 {
			delete(t.byLabel, l)
		}
	}
	for _, ip := range w.IPs {
		if rest := removeFrom(t.byIP[ip], w); len(rest) > 0 {
			t.byIP[ip] = rest
		} else {
			delete(t.byIP, ip)
		}
	}
}

// matching yields the live workloads of a namespace that a selector (not empty) selects, in no particular order. It walks
// the shortest of the lists of the selector's labels.
func (t *workloads) matching(namespace string, s selector) iter.Seq[*workload] {
	return func(yield func(*workload) bool) {
		var shortest map[*workload]struct{}
		for i, l := range s {
			list := t.byLabel[l][namespace]
			if i == 0 || len(list) < len(shortest) {
				shortest = list
			}
		}
		for w := range shortest {
			if s.matches(w.Labels) && !yield(w) {
				return
			}
		}
	}
}

// matchingAnywhere is matching over all namespaces.
func (t *workloads) matchingAnywhere(s selector) iter.Seq[*workload] {
	return func(yield func(*workload) bool) {
		var fewest posting
		for i, l := range s {
			if p := t.byLabel[l]; i == 0 || len(p) < len(fewest) {
				fewest = p
			}
		}
		for namespace := range fewest {
			for w := range t.matching(namespace, s) {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// insertByName keeps the owners of an address sorted. Two pods share one only for a moment, or when a manifest says so; then
// the first by name is taken, whatever the order of changes was.
func insertByName[T interface {
	comparable
	name() types.NamespacedName
}](list []T, v T) []T {
	i, _ := slices.BinarySearchFunc(list, v, func(a, b T) int { return compareNames(a.name(), b.name()) })
	return slices.Insert(list, i, v)
}

func compareNames(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
