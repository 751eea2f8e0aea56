package policy

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Settings are the facts that no object carries.
type Settings struct {
	// RootNamespace is the operator's own: policies in it hold for the whole mesh.
	RootNamespace string
	// TrustDomain of the mesh, such as cluster.local.
	TrustDomain string
	// Aliases are further trust domains that count as the mesh's own.
	Aliases []string
	// ClusterDomain is the DNS suffix of Services, such as cluster.local.
	ClusterDomain string
	// ClusterRanges, AccessLogPercent and MetricsFrom are passed on to every proxy; see proxyconfig.Outbound and Telemetry.
	ClusterRanges    []netip.Prefix
	AccessLogPercent int
	MetricsFrom      []netip.Prefix
}

// Namespace is what the compiler needs of a Namespace.
type Namespace struct {
	Name   string
	Labels map[string]string
}

// Node is what the compiler needs of a Node.
type Node struct {
	Name string
	// Zone is the value of the label topology.kubernetes.io/zone.
	Zone string
}

// Workload is what the compiler needs of a Pod.
type Workload struct {
	Namespace, Name string
	UID             string
	Labels          map[string]string
	ServiceAccount  string
	// Node that the pod runs on; empty before it is scheduled.
	Node string
	// IPs of the pod; empty for hostNetwork pods (the address is the node's) and for finished ones.
	IPs []netip.Addr
	// Ports that the pod's containers declare.
	Ports []WorkloadPort
	// Proxied is true when the (immutable) spec contains the proxy container: policies are enforced here.
	Proxied bool
	// NotProxied says why Proxied is false.
	NotProxied NotProxiedReason
	// Finished pods have ended and will not run again: no policy selects them.
	Finished bool
	// ExcludedInboundPorts bypass the proxy.
	ExcludedInboundPorts []uint16
	// ClientWaits are the ports for which the pod says itself how long a client may be silent, ascending.
	ClientWaits []proxyconfig.PortWait
}

// WorkloadPort is a declared container port.
type WorkloadPort struct {
	Name     string
	Port     uint16
	Protocol Protocol
}

// Protocol is the transport of a port.
type Protocol string

// The transports. Only TCP is proxied.
const (
	TCP  Protocol = "TCP"
	UDP  Protocol = "UDP"
	SCTP Protocol = "SCTP"
)

// NotProxiedReason says why a workload's policies are not enforced.
type NotProxiedReason string

// The reasons.
const (
	// NotProxiedNotInjected: nothing of Warifu is in the pod.
	NotProxiedNotInjected NotProxiedReason = "NotInjected"
	// NotProxiedOptedOut: the pod or its namespace takes no part by label.
	NotProxiedOptedOut NotProxiedReason = "OptedOut"
	// NotProxiedHostNetwork: the pod is in the node's network, where nothing is redirected.
	NotProxiedHostNetwork NotProxiedReason = "HostNetwork"
	// NotProxiedNoDataPlane: the application does TLS itself with the files that it is given.
	NotProxiedNoDataPlane NotProxiedReason = "DataPlaneNone"
)

// Service is what the compiler needs of a Service.
type Service struct {
	Namespace, Name string
	Selector        map[string]string
	ClusterIPs      []netip.Addr
	// ExternalIPs are the addresses beside ClusterIPs at which the cluster's nodes take traffic for the Service: its
	// externalIPs and those of its load balancer, which are in BalancerIPs as well.
	ExternalIPs, BalancerIPs []netip.Addr
	// SourceRanges are the clients that BalancerIPs are for; where a family of addresses has none, everybody.
	SourceRanges []netip.Prefix
	Headless     bool
	ExternalName string
	Ports        []ServicePort
	// InternalLocal: what is dialled at ClusterIPs reaches endpoints on the client's node alone.
	InternalLocal bool
	// AffinitySeconds is how long a client stays with the endpoint that it used last; 0 without affinity.
	AffinitySeconds int32
}

// ServicePort is a port of a Service.
type ServicePort struct {
	Name        string
	Port        uint16
	TargetPort  intstr.IntOrString
	Protocol    Protocol
	AppProtocol string
}

// EndpointSlice is what the compiler needs of an EndpointSlice.
type EndpointSlice struct {
	Namespace, Name string
	Service         string
	Ports           []EndpointPort
	Endpoints       []Endpoint
}

// EndpointPort is a port of a slice, by the name of the service port.
type EndpointPort struct {
	Name string
	Port uint16
}

// Endpoint is one address behind a Service.
type Endpoint struct {
	Address netip.Addr
	// Pod behind the address; empty when it is not a pod.
	Pod types.NamespacedName
	// Ready is true when the endpoint may receive traffic.
	Ready bool
	// Serving says that it would answer; with Terminating it is what is left to use where nothing is Ready.
	Serving, Terminating bool
	// Node that the endpoint is on.
	Node string
	// ZoneHints and NodeHints are the zones and nodes whose clients the endpoint is meant for.
	ZoneHints, NodeHints []string
}
