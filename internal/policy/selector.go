package policy

import (
	"cmp"
	"iter"
	"slices"

	"github.com/warifu/warifu/api/v1alpha1"
)

// label is one key=value pair.
type label struct{ key, value string }

// selector is the pairs that a workload must carry, sorted; empty selects everything in its scope.
type selector []label

// selectorOf reads a policy's selector. Absent, and present without labels, mean the same.
func selectorOf(s *v1alpha1.WorkloadSelector) selector {
	if s == nil {
		return nil
	}
	return sortedLabels(s.MatchLabels)
}

// sortedLabels turns a label map into a selector.
func sortedLabels[V ~string](labels map[string]V) selector {
	if len(labels) == 0 {
		return nil
	}
	out := make(selector, 0, len(labels))
	for k, v := range labels {
		out = append(out, label{k, string(v)})
	}
	slices.SortFunc(out, func(a, b label) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.value, b.value))
	})
	return out
}

// matches says whether a workload with these labels is selected.
func (s selector) matches(labels map[string]string) bool {
	for _, l := range s {
		if v, ok := labels[l.key]; !ok || v != l.value {
			return false
		}
	}
	return true
}

// covers says whether s selects everything that other selects: every pair that s asks for, other asks for too.
func (s selector) covers(other selector) bool {
	for _, l := range s {
		if !slices.Contains(other, l) {
			return false
		}
	}
	return true
}

// selectorIndex finds the selectors that match a set of labels without trying them all: each is filed under one of its
// pairs, the one that the fewest others are filed under, so that a pair shared by all (env=prod) does not gather them all.
type selectorIndex[T comparable] struct {
	byPair map[label][]selection[T]
}

type selection[T comparable] struct {
	selector selector
	value    T
}

// add files a value under a selector, which must not be empty.
func (x *selectorIndex[T]) add(s selector, value T) {
	if x.byPair == nil {
		x.byPair = map[label][]selection[T]{}
	}
	rarest := s[0]
	for _, l := range s[1:] {
		if len(x.byPair[l]) < len(x.byPair[rarest]) {
			rarest = l
		}
	}
	x.byPair[rarest] = append(x.byPair[rarest], selection[T]{s, value})
}

// remove takes the value out again.
func (x *selectorIndex[T]) remove(s selector, value T) {
	for _, l := range s {
		filed := x.byPair[l]
		i := slices.IndexFunc(filed, func(f selection[T]) bool { return f.value == value })
		if i < 0 {
			continue
		}
		if len(filed) == 1 {
			delete(x.byPair, l)
		} else {
			x.byPair[l] = slices.Delete(filed, i, i+1)
		}
		return
	}
}

// matching yields the values whose selectors match the labels, in no particular order.
func (x *selectorIndex[T]) matching(labels map[string]string) iter.Seq[T] {
	return func(yield func(T) bool) {
		if len(x.byPair) == 0 {
			return
		}
		for k, v := range labels {
			for _, f := range x.byPair[label{k, v}] {
				if f.selector.matches(labels) && !yield(f.value) {
					return
				}
			}
		}
	}
}

// all yields every value, in no particular order.
func (x *selectorIndex[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, filed := range x.byPair {
			for _, f := range filed {
				if !yield(f.value) {
					return
				}
			}
		}
	}
}

// scope holds the policies of one kind in one namespace: wide ones without a selector, in the order of their kind, and
// narrow ones.
type scope[T policyObject[T]] struct {
	wide   []T
	narrow selectorIndex[T]
}

// policyObject is a compiled PeerAuthentication or AuthorizationPolicy.
type policyObject[T any] interface {
	comparable
	head() *header
	// compare is the order in which policies of the kind are considered.
	compare(T) int
}

func (s *scope[T]) add(p T) {
	if h := p.head(); len(h.selector) > 0 {
		s.narrow.add(h.selector, p)
		return
	}
	i, _ := slices.BinarySearchFunc(s.wide, p, T.compare)
	s.wide = slices.Insert(s.wide, i, p)
}

func (s *scope[T]) remove(p T) {
	if h := p.head(); len(h.selector) > 0 {
		s.narrow.remove(h.selector, p)
		return
	}
	s.wide = removeFrom(s.wide, p)
}

// selecting yields the policies of the scope that select a workload with these labels.
func (s *scope[T]) selecting(labels map[string]string) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, p := range s.wide {
			if !yield(p) {
				return
			}
		}
		for p := range s.narrow.matching(labels) {
			if !yield(p) {
				return
			}
		}
	}
}

// all yields every policy of the scope.
func (s *scope[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, p := range s.wide {
			if !yield(p) {
				return
			}
		}
		for p := range s.narrow.all() {
			if !yield(p) {
				return
			}
		}
	}
}

func (s *scope[T]) empty() bool { return len(s.wide) == 0 && len(s.narrow.byPair) == 0 }

// removeFrom takes one element out.
func removeFrom[T comparable](list []T, v T) []T {
	if i := slices.Index(list, v); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
