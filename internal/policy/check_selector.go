package policy

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
)

// choosesPods is true for a selector with labels; a selector without any is the same as none.
func choosesPods(s *v1alpha1.WorkloadSelector) bool { return s != nil && len(s.MatchLabels) > 0 }

// selector checks a selector; everything says what the object holds for when the selector has no labels.
func (c *checker) selector(at *field.Path, s *v1alpha1.WorkloadSelector, everything string) {
	if s == nil {
		return
	}
	if len(s.MatchLabels) == 0 {
		c.warnf(at, ReasonEmptySelector, "a selector without matchLabels is the same as none: the policy holds for %s; remove the selector if that is meant", everything)
		return
	}
	c.labels(at.Child("matchLabels"), s.MatchLabels)
}

// labels checks labels that are compared by equality, in the order of their keys.
func (c *checker) labels(at *field.Path, labels map[string]v1alpha1.LabelValue) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		value := string(labels[key])
		switch {
		case key == "":
			c.errorf(at, ReasonInvalid, "a label has a key: name it, or remove the entry")
		case strings.Contains(key, "*") || strings.Contains(value, "*"):
			c.errorf(at.Key(key), ReasonInvalid, "labels are compared by equality, without '*': write one policy for each value instead")
		case len(value) > validation.LabelValueMaxLength:
			c.errorf(at.Key(key), ReasonInvalid, "a label's value has at most %d characters", validation.LabelValueMaxLength)
		case len(validation.IsQualifiedName(key)) > 0 || len(validation.IsValidLabelValue(value)) > 0:
			c.warnf(at.Key(key), ReasonNeverMatches, "no pod can carry the label %q: %q, because Kubernetes does not allow it", key, value)
		}
	}
}

// everyWorkload says in words what a policy without selector holds for.
func (c *checker) everyWorkload() string {
	if c.inRootNamespace() {
		return "the whole mesh"
	}
	return "the whole namespace"
}
