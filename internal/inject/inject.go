package inject

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Settings are the process settings that injection depends on.
type Settings struct {
	// RootNamespace is the operator's own; nothing is injected there.
	RootNamespace string
	TrustDomain   string
	// DefaultDataPlane holds where neither pod nor namespace chooses: naming.DataPlaneSidecar or naming.DataPlaneNone.
	DefaultDataPlane string
	// ProxyImage and ProxyImagePullPolicy of the redirect and proxy containers.
	ProxyImage           string
	ProxyImagePullPolicy corev1.PullPolicy
	ProxyResources       corev1.ResourceRequirements
	// ControlAddress is host:port of the control API, ControlIdentity the one SPIFFE ID it may prove.
	ControlAddress  string
	ControlIdentity string
	// ExcludableInboundPorts are the ports that a pod may exclude from the proxy by annotation.
	ExcludableInboundPorts []uint16
	// Version of Warifu, for the status annotation.
	Version string
}

// Input is everything that a decision depends on.
type Input struct {
	Pod       *corev1.Pod
	Namespace *corev1.Namespace
	Settings  Settings
	// Mode and ClientMode are the effective policy modes now.
	Mode       proxyconfig.Mode
	ClientMode proxyconfig.ClientMode
}

// Plan is a decision to inject.
type Plan struct {
	DataPlane      string
	Identity       string
	IdentitySecret string
	Mode           proxyconfig.Mode
	ClientMode     proxyconfig.ClientMode
	// Exclusions and ProxyVolumes are what the pod's annotations ask of a sidecar.
	Exclusions   Exclusions
	ProxyVolumes []string
	Settings     Settings
}

// Outcome is one of three: a plan, a skip or a refusal.
type Outcome struct {
	// Plan is set when the pod is to be injected.
	Plan *Plan
	// Skip is set when the pod is left alone.
	Skip SkipReason
	// Refusal is set when the pod asked for something that cannot be given; the pod is not admitted.
	Refusal *Refusal
}
