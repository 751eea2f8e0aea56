package policy

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Findings about one object, a policy or a pod, ordered by field, then reason. What the object shows by itself comes together with what takes
// others to see; where both say the same of a field, the second knows more and stands alone.
func (ix *Index) Findings(object proxyconfig.ObjectRef) []Finding {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.state.findings(object)
}

// AllFindings about all objects, ordered by object, then field.
func (ix *Index) AllFindings() []Finding {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	objects := append(ix.state.allPolicies(), ix.state.allWorkloads()...)
	slices.SortFunc(objects, compareRefs)
	var out []Finding
	for _, object := range objects {
		out = append(out, ix.state.findings(object)...)
	}
	return out
}

func (s *state) findings(object proxyconfig.ObjectRef) []Finding {
	name := types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
	switch object.Kind {
	case v1alpha1.KindPeerAuthentication:
		if p := s.peers[name]; p != nil {
			return s.gather(&p.header, func(f *finder) { f.peerAuthentication(p) })
		}
	case v1alpha1.KindDestinationRule:
		if r := s.rules[name]; r != nil {
			return s.gather(&r.header, func(f *finder) { f.destinationRule(r) })
		}
	case v1alpha1.KindAuthorizationPolicy:
		if p := s.authzs[name]; p != nil {
			return s.gather(&p.header, func(f *finder) { f.authorizationPolicy(p) })
		}
	case KindPod:
		if w := s.workload(name); w != nil {
			return s.workloadFindings(w)
		}
	}
	return nil
}

// gather puts together what is found about one object. One that cannot be compiled has no relations worth telling.
func (s *state) gather(h *header, relations func(*finder)) []Finding {
	f := finder{state: s, header: h}
	if h.broken == "" {
		relations(&f)
	}
	known := map[[2]string]bool{}
	for _, r := range f.found {
		known[[2]string{r.Field, string(r.Reason)}] = true
	}
	for _, c := range h.checks {
		if !known[[2]string{c.Field, string(c.Reason)}] {
			f.found = append(f.found, c)
		}
	}
	slices.SortStableFunc(f.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Message, b.Message))
	})
	return f.found
}

// finder gathers the relations of one object.
type finder struct {
	state  *state
	header *header
	found  []Finding
}

func (f *finder) warn(field string, reason Reason, format string, args ...any) {
	f.found = append(f.found, Finding{
		Object: f.header.ref, Severity: SeverityWarning,
		Field: field, Reason: reason, Message: fmt.Sprintf(format, args...),
	})
}

// selectsNothing says whether a policy with a selector selects no workload, and reports it.
func (f *finder) selectsNothing(field string, a area) bool {
	if len(a.selector) == 0 || f.state.workloads.live == 0 {
		return false
	}
	for range f.state.in(a) {
		return false
	}
	where := "of namespace " + a.namespace
	if a.namespace == "" {
		where = "of any namespace"
	}
	f.warn(field, ReasonSelectsNothing, "no workload %s has these labels, so the policy changes nothing: compare them with the pods' labels", where)
	return true
}

// unknownNamespaces reports the namespaces that the object names and that do not exist.
func (f *finder) unknownNamespaces() {
	if f.state.declared == 0 {
		return
	}
	for _, m := range f.header.mentions {
		if ns := f.state.namespaces[m.namespace]; ns == nil || ns.object == nil {
			f.warn(m.field, ReasonUnknownNamespace, "there is no namespace %q: correct the name, or create it", m.namespace)
		}
	}
}

// compareRefs orders objects by kind, namespace and name.
func compareRefs(a, b proxyconfig.ObjectRef) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// ahead says why a comes before b among objects of the same rank.
func ahead(a, b *header) string {
	if a.created == b.created {
		return "is as old and comes first by name"
	}
	return "is older"
}
