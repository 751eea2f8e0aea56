package policy

import (
	"cmp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// header is what the index keeps of every policy object, whatever its kind. Records are never changed once they are in the
// index, only replaced, so that what Compile returns may point into them.
type header struct {
	ref      proxyconfig.ObjectRef
	created  int64 // seconds, the resolution of Kubernetes
	selector selector
	// checks are the findings about the object alone.
	checks []Finding
	// broken is the first error among them; empty when the object can be compiled.
	broken string
	// mentions are the namespaces that the object names, and where.
	mentions []mention
}

// mention is a namespace that a field names.
type mention struct{ namespace, field string }

func newHeader(kind string, o *metav1.ObjectMeta, s selector, checks []Finding) header {
	h := header{
		ref:      proxyconfig.ObjectRef{Kind: kind, Namespace: o.Namespace, Name: o.Name},
		created:  o.CreationTimestamp.Unix(),
		selector: s,
		checks:   checks,
	}
	h.broken = firstError(checks, func(Finding) bool { return true })
	return h
}

// firstError is the first error that counts, with its field; "" without one.
func firstError(checks []Finding, counts func(Finding) bool) string {
	for _, f := range checks {
		if f.Severity == SeverityError && counts(f) {
			return strings.TrimPrefix(f.Field+": "+f.Message, ": ")
		}
	}
	return ""
}

func (h *header) head() *header { return h }

// name of the object.
func (h *header) name() types.NamespacedName {
	return types.NamespacedName{Namespace: h.ref.Namespace, Name: h.ref.Name}
}

// byAge orders objects for every "oldest wins": creation time, then name, then namespace. Creation times have a resolution
// of a second, and objects from files have none, so the name often decides.
func byAge(a, b *header) int {
	return cmp.Or(
		cmp.Compare(a.created, b.created),
		cmp.Compare(a.ref.Name, b.ref.Name),
		cmp.Compare(a.ref.Namespace, b.ref.Namespace),
	)
}

// sourceMeta is the part of an object's metadata that compiling it depends on.
func sourceMeta(o *metav1.ObjectMeta) metav1.ObjectMeta {
	out := metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, CreationTimestamp: o.CreationTimestamp}
	if len(o.Annotations) > 0 {
		out.Annotations = make(map[string]string, len(o.Annotations))
		for k, v := range o.Annotations {
			if k != lastApplied {
				out.Annotations[k] = v
			}
		}
	}
	return out
}

// lastApplied is kubectl's copy of the object in the object: large, and nothing is compiled from it.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
