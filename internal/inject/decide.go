package inject

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
)

// Decide says what to do with a pod. It reads its input and changes nothing.
func Decide(in Input) Outcome {
	if reason := skip(in); reason != "" {
		return Outcome{Skip: reason}
	}
	plan, refusal := newPlan(in)
	if refusal != nil {
		return Outcome{Refusal: refusal}
	}
	if refusal := plan.refuse(in); refusal != nil {
		return Outcome{Refusal: refusal}
	}
	if plan.complete(in.Pod) {
		return Outcome{Skip: SkipAlreadyInjected}
	}
	return Outcome{Plan: plan}
}

// skip returns the reason for which the pod is not to be injected, or "".
func skip(in Input) SkipReason {
	namespace, pod := in.Namespace.Labels[naming.LabelInjection], in.Pod.Labels[naming.LabelInject]
	switch {
	case in.Namespace.Name == in.Settings.RootNamespace, slices.Contains(naming.SystemNamespaces(), in.Namespace.Name):
		return SkipSystemNamespace
	case namespace == naming.InjectionDisabled:
		return SkipNamespaceOptOut
	case pod == naming.InjectFalse:
		return SkipPodOptOut
	case namespace != naming.InjectionEnabled && pod != naming.InjectTrue:
		return SkipNotOptedIn
	case in.Pod.Spec.HostNetwork:
		return SkipHostNetwork
	case in.Pod.Annotations[corev1.MirrorPodAnnotationKey] != "":
		return SkipMirrorPod
	}
	return ""
}

// newPlan reads from labels and annotations what is asked for. A value that is not understood is refused: taking it for a
// default would leave somebody unprotected who believes otherwise.
func newPlan(in Input) (*Plan, *Refusal) {
	if value, set := in.Pod.Labels[naming.LabelInject]; set && value != naming.InjectTrue {
		return nil, &Refusal{RefusalUnknownLabel, labelField(naming.LabelInject),
			fmt.Sprintf("%q is not understood; use %q or %q, or remove the label", value, naming.InjectTrue, naming.InjectFalse)}
	}
	dataPlane, refusal := dataPlaneOf(in)
	if refusal != nil {
		return nil, refusal
	}
	serviceAccount := cmp.Or(in.Pod.Spec.ServiceAccountName, in.Pod.Spec.DeprecatedServiceAccount, "default")
	id, err := identity.New(identity.TrustDomain(in.Settings.TrustDomain), in.Namespace.Name, serviceAccount)
	if err != nil {
		return nil, &Refusal{RefusalIdentity, "spec.serviceAccountName", err.Error()}
	}
	plan := &Plan{
		DataPlane:      dataPlane,
		Identity:       id.String(),
		IdentitySecret: naming.IdentitySecret(serviceAccount),
		Mode:           in.Mode,
		ClientMode:     in.ClientMode,
		Settings:       in.Settings,
	}
	if dataPlane == naming.DataPlaneSidecar {
		if plan.Exclusions, refusal = ExclusionsOf(in.Pod.Annotations); refusal != nil {
			return nil, refusal
		}
		if refusal = refuseWaits(in.Pod); refusal != nil {
			return nil, refusal
		}
		if plan.ProxyVolumes, refusal = proxyVolumes(in.Pod); refusal != nil {
			return nil, refusal
		}
	}
	return plan, nil
}

// dataPlaneOf asks the pod, then the namespace, then the settings.
func dataPlaneOf(in Input) (string, *Refusal) {
	value, field := in.Settings.DefaultDataPlane, "the operator's setting for the default data plane"
	if v, set := in.Namespace.Labels[naming.LabelDataPlane]; set {
		value, field = v, "namespace."+labelField(naming.LabelDataPlane)
	}
	if v, set := in.Pod.Labels[naming.LabelDataPlane]; set {
		value, field = v, labelField(naming.LabelDataPlane)
	}
	if value != naming.DataPlaneSidecar && value != naming.DataPlaneNone {
		return "", &Refusal{RefusalUnknownLabel, field,
			fmt.Sprintf("data plane %q is not known; use %q or %q", value, naming.DataPlaneSidecar, naming.DataPlaneNone)}
	}
	return value, nil
}

func labelField(key string) string      { return fmt.Sprintf("metadata.labels[%s]", key) }
func annotationField(key string) string { return fmt.Sprintf("metadata.annotations[%s]", key) }

// complete tells whether the plan has been carried out on the pod before. Only a pod that carries something of ours is worth
// the trial.
func (p *Plan) complete(pod *corev1.Pod) bool {
	marked := slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == naming.VolumeTLS })
	return marked && len(Apply(p, pod.DeepCopy())) == 0
}
