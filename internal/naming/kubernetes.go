package naming

// Group is the API group of Warifu's kinds and the prefix of its labels and annotations.
const Group = "warifu.dev"

// DefaultNamespace is where the operator runs unless told otherwise. The operator's own namespace is the root
// namespace: policies in it apply to the whole mesh.
const DefaultNamespace = "warifu-system"

// SystemNamespaces never depend on Warifu, so that a cluster always starts; nor does the operator's own.
func SystemNamespaces() []string { return []string{"kube-system", "kube-public", "kube-node-lease"} }

// FieldOwner is the one server-side-apply owner of everything that Warifu writes.
const FieldOwner = "warifu"

// Labels that people set.
const (
	// LabelInjection opts a namespace in ("enabled") or out ("disabled", which wins over everything).
	LabelInjection = Group + "/injection"
	// LabelInject opts a single pod in ("true") or out ("false").
	LabelInject = Group + "/inject"
	// LabelDataPlane chooses the data plane of a namespace or a pod: "sidecar" or "none".
	LabelDataPlane = Group + "/dataplane"
)

// Values of the labels above.
const (
	InjectionEnabled  = "enabled"
	InjectionDisabled = "disabled"
	InjectTrue        = "true"
	InjectFalse       = "false"
	DataPlaneSidecar  = "sidecar"
	DataPlaneNone     = "none"
)

// Labels that Warifu sets on the objects it makes. The cache of Secrets selects by LabelManagedBy.
const (
	LabelManagedBy      = "app.kubernetes.io/managed-by"
	ManagedBy           = "warifu"
	LabelServiceAccount = Group + "/service-account-uid"
	// LabelKind says what an object made by Warifu is for: one of the Kind* values.
	LabelKind    = Group + "/kind"
	KindIdentity = "identity"
	// KindIssued is what cert-manager issues, before it has been checked.
	KindIssued  = "issued"
	KindCA      = "ca"
	KindCanary  = "canary"
	KindWebhook = "webhook"
)

// Annotations that the injector sets on a pod, for people and for the mode files; nothing decides by them.
const (
	AnnotationStatus        = Group + "/status"
	AnnotationMTLSMode      = Group + "/mtls-mode"
	AnnotationClientTLSMode = Group + "/client-tls-mode"
	AnnotationIdentity      = Group + "/identity"
)

// Annotations that people set on a pod.
const (
	AnnotationExcludeInboundPorts  = Group + "/exclude-inbound-ports"
	AnnotationExcludeOutboundPorts = Group + "/exclude-outbound-ports"
	AnnotationExcludeOutboundCIDRs = Group + "/exclude-outbound-cidrs"
	AnnotationProxyVolumes         = Group + "/proxy-volumes"
	// AnnotationClientWait says for how long a client of a port may be silent before the application is asked to speak first:
	// `3306=0s,9000=250ms`.
	AnnotationClientWait = Group + "/client-wait"
)

// AnnotationDryRun on an AuthorizationPolicy makes its decisions logged and counted, without effect.
const AnnotationDryRun = Group + "/dry-run"

// AnnotationDryRunIstio is the model's name for AnnotationDryRun. It is honoured, because a policy brought over that was
// only being tried must not begin to bite.
const AnnotationDryRunIstio = "istio.io/dry-run"

// Signer is the name under which the operator signs pod certificates.
const Signer = Group + "/workload"

// ControlAudience is the audience of the token with which a proxy proves its pod to the control API.
const ControlAudience = Group + "/control"
