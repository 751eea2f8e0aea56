package inject

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
)

// NamespaceReason says what about a namespace's own labels is not understood; the same constant stands in event and metric.
// A pod with such a label is refused; a namespace is not ours to refuse.
type NamespaceReason string

// The reasons.
const (
	// NamespaceUnknownInjection: the value of warifu.dev/injection is neither enabled nor disabled, so that the namespace counts
	// as one that did not choose: only pods that opt in themselves are injected. Correct the label.
	NamespaceUnknownInjection NamespaceReason = "UnknownInjectionLabel"
	// NamespaceUnknownDataPlane: the value of warifu.dev/dataplane is neither sidecar nor none, so that pods that are to be
	// injected and do not choose for themselves are refused. Correct the label.
	NamespaceUnknownDataPlane NamespaceReason = "UnknownDataPlaneLabel"
)

// NamespaceReasons lists them all.
func NamespaceReasons() []NamespaceReason {
	return []NamespaceReason{NamespaceUnknownInjection, NamespaceUnknownDataPlane}
}

// Misunderstood says what is not understood of a namespace, in a word and in a sentence; "" where all is.
func Misunderstood(namespace *corev1.Namespace) (NamespaceReason, string) {
	injection, set := namespace.Labels[naming.LabelInjection]
	if set && injection != naming.InjectionEnabled && injection != naming.InjectionDisabled {
		return NamespaceUnknownInjection, fmt.Sprintf("label %s: %q is not understood, and has no effect; use %q or %q, or remove the label",
			naming.LabelInjection, injection, naming.InjectionEnabled, naming.InjectionDisabled)
	}
	plane, set := namespace.Labels[naming.LabelDataPlane]
	if set && plane != naming.DataPlaneSidecar && plane != naming.DataPlaneNone {
		return NamespaceUnknownDataPlane, fmt.Sprintf("label %s: %q is not known, and pods that are to be injected are refused; use %q or %q, or remove the label",
			naming.LabelDataPlane, plane, naming.DataPlaneSidecar, naming.DataPlaneNone)
	}
	return "", ""
}
