package inject

// SkipReason says why a pod is left alone; the same constant stands in event, metric and log.
type SkipReason string

// The reasons, in the order in which they are looked at.
const (
	// SkipSystemNamespace: Kubernetes' own namespaces and the operator's never depend on Warifu.
	SkipSystemNamespace SkipReason = "SystemNamespace"
	// SkipNamespaceOptOut wins over whatever a pod asks for.
	SkipNamespaceOptOut SkipReason = "NamespaceOptedOut"
	SkipPodOptOut       SkipReason = "PodOptedOut"
	SkipNotOptedIn      SkipReason = "NotOptedIn"
	// SkipHostNetwork: the pod's addresses and ports are the node's.
	SkipHostNetwork SkipReason = "HostNetwork"
	// SkipMirrorPod: the API server's picture of a pod that kubelet runs from a file; it may refer to no Secret.
	SkipMirrorPod       SkipReason = "MirrorPod"
	SkipAlreadyInjected SkipReason = "AlreadyInjected"
)

// Message says the reason in words.
func (r SkipReason) Message() string {
	switch r {
	case SkipSystemNamespace:
		return "pods of system namespaces and of the operator's own namespace are never injected"
	case SkipNamespaceOptOut:
		return "the namespace is labelled warifu.dev/injection=disabled"
	case SkipPodOptOut:
		return `the pod is labelled warifu.dev/inject="false"`
	case SkipNotOptedIn:
		return "neither the namespace (warifu.dev/injection=enabled) nor the pod (warifu.dev/inject=\"true\") opted in"
	case SkipHostNetwork:
		return "the pod uses the node's network (hostNetwork), where it has no address of its own to protect"
	case SkipMirrorPod:
		return "the pod mirrors a static pod, which kubelet runs without the API server"
	case SkipAlreadyInjected:
		return "the pod has everything already"
	}
	return string(r)
}

// Refusal says what is wrong with the pod and the way out.
type Refusal struct {
	Reason RefusalReason
	// Field is the path in the pod, or "namespace.…" where the namespace is what has to change.
	Field   string
	Message string
}

// Error is the refusal as people read it.
func (r *Refusal) Error() string { return r.Field + ": " + r.Message }

// RefusalReason names a kind of refusal.
type RefusalReason string

// The refusals. All but the first six concern the sidecar data plane only.
const (
	RefusalUnknownLabel RefusalReason = "UnknownLabelValue"
	RefusalIdentity     RefusalReason = "InvalidIdentity"
	RefusalContainer    RefusalReason = "ContainerNameTaken"
	RefusalVolume       RefusalReason = "VolumeNameTaken"
	RefusalMount        RefusalReason = "MountPathTaken"
	RefusalEnv          RefusalReason = "EnvironmentTaken"

	RefusalPort        RefusalReason = "PortTaken"
	RefusalUID         RefusalReason = "ProxyUserTaken"
	RefusalPodSecurity RefusalReason = "PodSecurityTooStrict"
	RefusalOS          RefusalReason = "OperatingSystem"
	RefusalKeyMount    RefusalReason = "KeyInApplication"
	RefusalProbe       RefusalReason = "ProbeLost"
	RefusalExclusion   RefusalReason = "InvalidExclusion"
	RefusalProxyVolume RefusalReason = "InvalidProxyVolume"
)
