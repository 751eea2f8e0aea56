package policy

import (
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
)

// dryRunAnnotations are the two names of one annotation. The model's own is honoured, see naming.AnnotationDryRunIstio.
var dryRunAnnotations = []string{naming.AnnotationDryRun, naming.AnnotationDryRunIstio}

// dryRun checks the annotations of an AuthorizationPolicy.
func (c *checker) dryRun(annotations map[string]string, action v1alpha1.AuthorizationAction) {
	values := map[bool]bool{}
	for _, name := range dryRunAnnotations {
		value, ok := annotations[name]
		if !ok {
			continue
		}
		at := field.NewPath("metadata", "annotations").Key(name)
		on, err := strconv.ParseBool(value)
		switch {
		case err != nil:
			c.errorf(at, ReasonDryRun, "%q is neither \"true\" nor \"false\"", value)
		case values[!on]:
			c.errorf(at, ReasonDryRun, "%q contradicts the annotation %s: remove one of them", value, dryRunAnnotations[0])
		case action == v1alpha1.ActionAudit || action == v1alpha1.ActionCustom:
			c.errorf(at, ReasonDryRun, "only ALLOW and DENY can be tried without effect, not %s: remove the annotation", action)
		}
		values[on] = err == nil
	}
}

// noDryRun refuses the annotations on the other kinds, which are always in effect.
func (c *checker) noDryRun(annotations map[string]string) {
	for _, name := range dryRunAnnotations {
		if _, ok := annotations[name]; ok {
			at := field.NewPath("metadata", "annotations").Key(name)
			c.errorf(at, ReasonDryRun, "only an AuthorizationPolicy can be tried without effect, a %s takes effect at once: remove the annotation", c.object.Kind)
		}
	}
}
