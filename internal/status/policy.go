// Package status turns what the compiler found and how far a policy has come into the status that people read. Deciding is
// a pure function; one writer applies the result.
package status

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
)

// Input is everything that the status of a policy depends on.
type Input struct {
	// Kind is a v1alpha1.Kind* constant.
	Kind string
	// Generation of the object that the findings are about.
	Generation int64
	Findings   []policy.Finding
	Reach      Reach
	// Now is the transition time of conditions that change.
	Now metav1.Time
}

// Policy is the status of a policy. The previous one gives the transition times of conditions that keep their state; with the
// same input the result is the previous status again, so that nothing is written.
func Policy(in Input, previous v1alpha1.PolicyStatus) v1alpha1.PolicyStatus {
	conditions := slices.DeleteFunc(slices.Clone(previous.Conditions), func(c metav1.Condition) bool {
		return !slices.Contains(conditionTypes, c.Type)
	})
	for _, c := range []metav1.Condition{accepted(in), programmed(in), conflicted(in)} {
		c.ObservedGeneration = in.Generation
		c.LastTransitionTime = in.Now
		meta.SetStatusCondition(&conditions, c)
	}
	slices.SortFunc(conditions, func(a, b metav1.Condition) int {
		return slices.Index(conditionTypes, a.Type) - slices.Index(conditionTypes, b.Type)
	})
	return v1alpha1.PolicyStatus{
		ObservedGeneration: in.Generation,
		Workloads:          int32(min(in.Reach.Selected(), 1<<31-1)),
		Conditions:         conditions,
	}
}

// conditionTypes in the order in which they are shown.
var conditionTypes = []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionProgrammed, v1alpha1.ConditionConflicted}

// conflictReasons are the findings that the Conflicted condition tells instead of Accepted.
var conflictReasons = []policy.Reason{policy.ReasonConflict, policy.ReasonShadowed}

// accepted is False with the first error's reason; warnings stand in the message, because the object holds all the same.
func accepted(in Input) metav1.Condition {
	if errs := having(in.Findings, isError); len(errs) > 0 {
		return metav1.Condition{
			Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionFalse,
			Reason: string(errs[0].Reason), Message: list("", errs),
		}
	}
	message := "the object is valid"
	if warnings := having(in.Findings, isWarning); len(warnings) > 0 {
		message = list("the object is valid, with a warning: ", warnings)
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue,
		Reason: v1alpha1.ReasonAccepted, Message: message,
	}
}

// conflicted is True when another object shadows this one.
func conflicted(in Input) metav1.Condition {
	if conflicts := having(in.Findings, isConflict); len(conflicts) > 0 {
		return metav1.Condition{
			Type: v1alpha1.ConditionConflicted, Status: metav1.ConditionTrue,
			Reason: string(conflicts[0].Reason), Message: list("", conflicts),
		}
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionConflicted, Status: metav1.ConditionFalse,
		Reason: v1alpha1.ReasonNoConflict, Message: "no other object shadows this one",
	}
}

// programmed says whether the selected pods have been told.
func programmed(in Input) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionProgrammed}
	errs := having(in.Findings, isError)
	c.Status, c.Reason, c.Message = in.Reach.programmed(in.Kind)
	if len(errs) > 0 {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonNotAccepted, notAccepted(in.Kind, in.Reach.Selected())
	}
	return c
}

// notAccepted says what a policy that cannot be compiled does to the pods it selects.
func notAccepted(kind string, selected int) string {
	if kind == v1alpha1.KindAuthorizationPolicy && selected > 0 {
		return fmt.Sprintf("the object is not accepted: until it is corrected, an ALLOW or DENY policy denies what its %s receive", count(selected, "pod"))
	}
	if kind == v1alpha1.KindPeerAuthentication {
		return "the object is not accepted, so nothing of it is in force, or everything but portLevelMtls where that alone is wrong"
	}
	return "the object is not accepted, so nothing of it is in force"
}

func isError(f policy.Finding) bool { return f.Severity == policy.SeverityError }
func isConflict(f policy.Finding) bool {
	return !isError(f) && slices.Contains(conflictReasons, f.Reason)
}
func isWarning(f policy.Finding) bool { return !isError(f) && !isConflict(f) }

// having is the findings of a class, in the compiler's order.
func having(findings []policy.Finding, class func(policy.Finding) bool) []policy.Finding {
	var out []policy.Finding
	for _, f := range findings {
		if class(f) {
			out = append(out, f)
		}
	}
	return out
}
