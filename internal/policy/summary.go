package policy

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
)

// summary is what findings say about many workloads: where policies cannot bite, and which ports carry no HTTP.
type summary struct {
	live int
	// unproxied workloads, by why.
	unproxied map[NotProxiedReason]*sample
	// excluded and datagram are the ports of proxied workloads that bypass the proxy: by annotation, or because only TCP is
	// redirected.
	excluded, datagram map[uint16]*sample
	// tcp are the TCP ports that no Service declares to carry HTTP.
	tcp map[uint16]*sample
}

// summaryCache keeps the summary of a whole namespace until one of its workloads or services changes.
type summaryCache struct{ atomic.Pointer[summary] }

func (c *summaryCache) drop() { c.Store(nil) }

// sample is a number of workloads and the first few by name.
type sample struct {
	count int
	first []types.NamespacedName
}

// sampled is how many workloads a message names.
const sampled = 3

func (p *sample) add(names ...types.NamespacedName) {
	for _, n := range names {
		i, found := slices.BinarySearchFunc(p.first, n, compareNames)
		if i < sampled && !found {
			p.first = slices.Insert(p.first, i, n)
			p.first = p.first[:min(len(p.first), sampled)]
		}
	}
}

// String is "web/a, web/b, web/c and 4 more".
func (p *sample) String() string {
	texts := make([]string, len(p.first))
	for i, n := range p.first {
		texts[i] = n.String()
	}
	text := strings.Join(texts, ", ")
	if more := p.count - len(p.first); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// note counts one workload under a key.
func note[K comparable](table *map[K]*sample, key K, w *workload) {
	if *table == nil {
		*table = map[K]*sample{}
	}
	if (*table)[key] == nil {
		(*table)[key] = &sample{}
	}
	(*table)[key].count++
	(*table)[key].add(w.name())
}

// merge adds the samples of another table.
func merge[K comparable](into *map[K]*sample, from map[K]*sample) {
	for key, s := range from {
		if *into == nil {
			*into = map[K]*sample{}
		}
		if (*into)[key] == nil {
			(*into)[key] = &sample{}
		}
		(*into)[key].count += s.count
		(*into)[key].add(s.first...)
	}
}

// summaryOf is the summary of a part of the mesh. Of the whole mesh it is put together from the namespaces', which are
// worked out once and kept.
func (s *state) summaryOf(a area) *summary {
	switch {
	case len(a.selector) > 0:
		return s.summarize(s.in(a))
	case a.namespace != "":
		return s.summaryOfNamespace(a.namespace)
	}
	var all summary
	for name := range s.namespaces {
		one := s.summaryOfNamespace(name)
		all.live += one.live
		merge(&all.unproxied, one.unproxied)
		merge(&all.excluded, one.excluded)
		merge(&all.datagram, one.datagram)
		merge(&all.tcp, one.tcp)
	}
	return &all
}

func (s *state) summaryOfNamespace(name string) *summary {
	ns := s.namespaces[name]
	if ns == nil {
		return &summary{}
	}
	if kept := ns.summary.Load(); kept != nil {
		return kept
	}
	made := s.summarize(s.live(name))
	ns.summary.Store(made)
	return made
}

func (s *state) summarize(workloads iter.Seq[*workload]) *summary {
	var out summary
	for w := range workloads {
		out.live++
		if !w.Proxied {
			note(&out.unproxied, w.NotProxied, w)
			continue
		}
		for _, port := range w.ExcludedInboundPorts {
			note(&out.excluded, port, w)
		}
		for port := range w.datagramPorts() {
			note(&out.datagram, port, w)
		}
		for port, http := range s.tcpPorts(w) {
			if !http {
				note(&out.tcp, port, w)
			}
		}
	}
	return &out
}

// datagramPorts are the declared ports of other protocols than TCP.
func (w *workload) datagramPorts() map[uint16]struct{} {
	var out map[uint16]struct{}
	for _, p := range w.Ports {
		if !sameProtocol(p.Protocol, TCP) {
			if out == nil {
				out = map[uint16]struct{}{}
			}
			out[p.Port] = struct{}{}
		}
	}
	return out
}

// tcpPorts are the TCP ports of a workload, those that it declares and those that Services lead to, and whether some Service
// declares HTTP there.
func (s *state) tcpPorts(w *workload) map[uint16]bool {
	out := map[uint16]bool{}
	for _, p := range w.Ports {
		if sameProtocol(p.Protocol, TCP) {
			out[p.Port] = false
		}
	}
	for svc := range s.servicesOf(&w.Workload) {
		for _, sp := range svc.Ports {
			if target, ok := sp.targetOn(&w.Workload); ok && sameProtocol(sp.Protocol, TCP) {
				out[target] = out[target] || sp.HTTP()
			}
		}
	}
	return out
}

// sortedKeys of a table, so that messages do not depend on a map's order.
func sortedKeys[K interface{ ~string | ~uint16 }, V any](table map[K]V) []K {
	return slices.Sorted(maps.Keys(table))
}
