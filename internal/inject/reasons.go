package inject

// SkipReason says why a pod is left alone; the same constant stands in event, metric and log.
type SkipReason string

// The reasons, in the order in which they are looked at.
const (
	// SkipSystemNamespace: Kubernetes' own namespaces and the operator's never depend on Warifu.
	SkipSystemNamespace SkipReason = "SystemNamespace"
	// SkipNamespaceOptOut: the namespace says that it takes no part, which wins over whatever a pod asks for.
	SkipNamespaceOptOut SkipReason = "NamespaceOptedOut"
	// SkipPodOptOut: the pod itself says that it takes no part.
	SkipPodOptOut SkipReason = "PodOptedOut"
	// SkipNotOptedIn: neither the pod nor its namespace asked.
	SkipNotOptedIn SkipReason = "NotOptedIn"
	// SkipHostNetwork: the pod's addresses and ports are the node's.
	SkipHostNetwork SkipReason = "HostNetwork"
	// SkipMirrorPod: the API server's picture of a pod that kubelet runs from a file; it may refer to no Secret.
	SkipMirrorPod SkipReason = "MirrorPod"
	// SkipAlreadyInjected: admission asked again, as it does when another webhook has changed the pod after us, and nothing is
	// missing. Metric and debug log say so, and no event: the pod is as everybody expects.
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
	// RefusalUnknownLabel: a label of Warifu has a value that nobody understands.
	RefusalUnknownLabel RefusalReason = "UnknownLabelValue"
	// RefusalIdentity: no SPIFFE ID can be made of the namespace and the ServiceAccount.
	RefusalIdentity RefusalReason = "InvalidIdentity"
	// RefusalContainer: a container has the name of one of Warifu's and is not it.
	RefusalContainer RefusalReason = "ContainerNameTaken"
	// RefusalVolume: a volume has the name of one of Warifu's and is not it.
	RefusalVolume RefusalReason = "VolumeNameTaken"
	// RefusalMount: a container mounts something where Warifu's files go.
	RefusalMount RefusalReason = "MountPathTaken"
	// RefusalEnv: a container sets a variable of Warifu's to something else.
	RefusalEnv RefusalReason = "EnvironmentTaken"

	// RefusalProxyImage: the operator has not been told which image the proxy is.
	RefusalProxyImage RefusalReason = "NoProxyImage"
	// RefusalPort: a container listens on a port of the proxy.
	RefusalPort RefusalReason = "PortTaken"
	// RefusalUID: a container runs as the proxy's user or group, whose traffic is not redirected.
	RefusalUID RefusalReason = "ProxyUserTaken"
	// RefusalPodSecurity: the namespace enforces a Pod Security level that the redirect cannot meet.
	RefusalPodSecurity RefusalReason = "PodSecurityTooStrict"
	// RefusalOS: the proxy runs on Linux only.
	RefusalOS RefusalReason = "OperatingSystem"
	// RefusalKeyMount: a container of the application mounts the proxy's key.
	RefusalKeyMount RefusalReason = "KeyInApplication"
	// RefusalProbe: a probe leads to the proxy, and what the application's own was is not recorded.
	RefusalProbe RefusalReason = "ProbeLost"
	// RefusalExclusion: an exclusion annotation cannot be read, or excludes a port that the operator does not allow.
	RefusalExclusion RefusalReason = "InvalidExclusion"
	// RefusalWait: the annotation about silent clients cannot be read.
	RefusalWait RefusalReason = "InvalidClientWait"
	// RefusalProxyVolume: the annotation names a volume that the pod does not have, or one of Warifu's.
	RefusalProxyVolume RefusalReason = "InvalidProxyVolume"
)
