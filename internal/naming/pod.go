package naming

// Containers and volumes that the injector adds to a pod. A pod is proxied when its immutable spec has ContainerProxy.
const (
	ContainerRedirect = "warifu-redirect"
	ContainerProxy    = "warifu-proxy"

	VolumeTLS   = "warifu-tls"
	VolumeMode  = "warifu-mode"
	VolumeToken = "warifu-token"
	VolumeState = "warifu-state"
)

// ProxyUID is the user and group that the proxy runs as, so that the redirect can leave its traffic alone. User
// containers may not use it.
const ProxyUID = 1774

// Ports of the proxy inside the pod's network namespace.
const (
	PortOutbound     = 15001
	PortInbound      = 15006
	PortAdmin        = 15020 // probes, health, metrics
	PortRedirectTest = 15021 // answered only through the redirect: proof that it is in place
)

// ReservedPorts are the ports that an application in a proxied pod cannot use.
func ReservedPorts() []int32 {
	return []int32{PortOutbound, PortInbound, PortAdmin, PortRedirectTest}
}

// Paths inside containers.
const (
	// SecretsDir holds everything that Warifu mounts.
	SecretsDir = "/var/run/secrets/" + Group
	// TLSDir holds FileCert, FileKey and FileCA, replaced together by a directory swap.
	TLSDir = SecretsDir + "/tls"
	// ModeDir holds the policy modes as files that follow later policy changes.
	ModeDir = SecretsDir + "/mode"
	// TokenDir holds the projected token for the control API.
	TokenDir = SecretsDir + "/token"
	// StateDir is a tmpfs in which the proxy keeps its last configuration across its own restarts.
	StateDir = SecretsDir + "/state"
	// VolumesDir holds the user's volumes named by AnnotationProxyVolumes; a DestinationRule's file fields point here.
	VolumesDir = SecretsDir + "/volumes"
)

// Files in TLSDir; also the keys of an identity Secret.
const (
	FileCert = "tls.crt"
	FileKey  = "tls.key"
	FileCA   = "ca.crt"
)

// FileToken is the projected token in TokenDir.
const FileToken = "token"

// Files in ModeDir.
const (
	FileMTLSMode      = "mtls-mode"
	FileClientTLSMode = "client-tls-mode"
)

// Environment of the containers that have the TLS files.
const (
	EnvMTLSMode      = "WARIFU_MTLS_MODE"
	EnvClientTLSMode = "WARIFU_CLIENT_TLS_MODE"
	EnvIdentity      = "WARIFU_IDENTITY"
	EnvTLSCert       = "WARIFU_TLS_CERT"
	EnvTLSKey        = "WARIFU_TLS_KEY"
	EnvTLSCA         = "WARIFU_TLS_CA"
	// EnvProbes carries the application's own probes to the proxy, which answers for them (JSON, see internal/proxyconfig).
	EnvProbes = "WARIFU_PROBES"
)

// Environment of the proxy alone: where its control API is, whom it must prove to be, and which pod the proxy is in.
const (
	EnvControlAddress  = "WARIFU_CONTROL_ADDRESS"
	EnvControlIdentity = "WARIFU_CONTROL_IDENTITY"
	EnvPodName         = "WARIFU_POD_NAME"
	EnvPodNamespace    = "WARIFU_POD_NAMESPACE"
	EnvPodUID          = "WARIFU_POD_UID"
)

// Commands of the proxy's binary, and the flags of CommandRedirect.
const (
	CommandRun               = "run"
	CommandRedirect          = "redirect"
	FlagExcludeInboundPorts  = "--exclude-inbound-ports"
	FlagExcludeOutboundPorts = "--exclude-outbound-ports"
	FlagExcludeOutboundCIDRs = "--exclude-outbound-cidrs"
)

// Paths that the proxy answers on PortAdmin.
const (
	// PathReady answers 200 once the proxy has a configuration and an identity, PathLive while the process works.
	PathReady = "/readyz"
	PathLive  = "/livez"
	// PathMetrics answers those whom the configuration lists, and the pod itself.
	PathMetrics = "/metrics"
	// PathAppHealth and PathAppLifecycle, followed by <container>/<what>, stand for the application's own probes and hooks.
	PathAppHealth    = "/app-health/"
	PathAppLifecycle = "/app-lifecycle/"
	// PathRedirect answers RedirectProof. The proxy asks for it at PortRedirectTest of its own pod's address, where it is
	// answered only through the redirect.
	PathRedirect = "/redirect"
)

// RedirectProof is the body of the answer at PathRedirect.
const RedirectProof = "warifu\n"

// PacketFilterTable is the nftables table, of family inet, with all rules of the redirect.
const PacketFilterTable = "warifu"

// ALPN is the protocol name of mesh TLS: a ClientHello that offers it comes from a Warifu proxy.
const ALPN = "warifu/1"
