package inject

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
)

// Lack is what a pod that exists does not have, and would be given if it were created now.
type Lack struct {
	Reason  LackReason
	Message string
}

// LackReason names a kind of lack; the same constant stands in event, metric and finding.
type LackReason string

// The lacks.
const (
	// LackNotInjected: the pod was to be injected and is not. It was created before it or its namespace opted in, or while the
	// webhook was away or kept from its namespace. Restart it.
	LackNotInjected LackReason = "NotInjected"
	// LackOtherDataPlane: the pod was injected for another data plane than a new one would be. Restart it.
	LackOtherDataPlane LackReason = "OtherDataPlane"
	// LackRefused: the pod was to be injected and is not, and a new one like it would be refused. Change what the message
	// names before restarting it.
	LackRefused LackReason = "WouldBeRefused"
)

// LackReasons lists them all.
func LackReasons() []LackReason {
	return []LackReason{LackNotInjected, LackOtherDataPlane, LackRefused}
}

// Missing says what the pod lacks, or nil: it has what it would be given, or is one of those that are left alone. What the
// pod has is read from the names in its spec, which nobody can change, so a pod of which nothing else is known will do.
// The modes of the input do not matter.
func Missing(in Input) *Lack {
	has := injectedFor(in.Pod)
	if has == "" {
		return notInjected(Decide(in))
	}
	if skip(in) != "" {
		return nil
	}
	plan, refusal := newPlan(in)
	if refusal != nil || plan.DataPlane == has {
		return nil // a refusal of what its labels ask for since concerns the next pod
	}
	return &Lack{LackOtherDataPlane, fmt.Sprintf("the pod was injected for data plane %q, and a new one would be for %q", has, plan.DataPlane)}
}

// notInjected is the lack of a pod in which nothing is of Warifu.
func notInjected(o Outcome) *Lack {
	switch {
	case o.Plan != nil:
		return &Lack{LackNotInjected, "the pod was to be injected and is not: it was created before it or its namespace opted in, or while the webhook was away"}
	case o.Refusal != nil:
		return &Lack{LackRefused, "the pod was to be injected and is not, and a new one like it would be refused: " + o.Refusal.Error()}
	}
	return nil
}

// injectedFor is the data plane that the pod was injected for; "" for none at all.
func injectedFor(pod *corev1.Pod) string {
	switch {
	case slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == naming.ContainerProxy }):
		return naming.DataPlaneSidecar
	case slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == naming.VolumeTLS }):
		return naming.DataPlaneNone
	}
	return ""
}
