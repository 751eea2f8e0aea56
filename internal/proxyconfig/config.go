package proxyconfig

import (
	"net/netip"
	"slices"
	"time"
)

// SchemaVersion is the version of the structs in this package. A proxy announces the version it understands; the compiler
// sends nothing newer.
const SchemaVersion = 1

// Config is the whole configuration of one workload.
type Config struct {
	Version int `json:"version"`
	// Identity is the workload's own SPIFFE ID.
	Identity string `json:"identity"`
	// TrustDomains are the trust domains whose peers are accepted: the mesh's own first, then its aliases, sorted.
	TrustDomains []string  `json:"trustDomains"`
	Inbound      Inbound   `json:"inbound"`
	Outbound     Outbound  `json:"outbound"`
	Telemetry    Telemetry `json:"telemetry"`
}

// ObjectRef names the Kubernetes object that a piece of configuration comes from, so that every decision can say who made it.
type ObjectRef struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String is "Kind namespace/name".
func (r ObjectRef) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Mode says what an inbound port accepts.
type Mode string

// The effective inbound modes. There is no UNSET here: the compiler has resolved it.
const (
	Strict     Mode = "STRICT"
	Permissive Mode = "PERMISSIVE"
	Disable    Mode = "DISABLE"
)

// Inbound is all that a server side enforces.
type Inbound struct {
	// Default applies to every port that Ports does not list.
	Default PortMode `json:"default"`
	// Ports are workload (container) ports with a mode of their own, ascending.
	Ports []PortMode `json:"ports,omitempty"`
	// HTTPPorts are the workload ports that a Service declares to carry HTTP, ascending. Only on these HTTP is read, and on
	// these always.
	HTTPPorts []uint16 `json:"httpPorts,omitempty"`
	// Waits are the ports with a wait of their own for a client's first bytes, ascending.
	Waits []PortWait `json:"waits,omitempty"`
	// Policies are the authorization policies that select the workload, in evaluation order: DENY, then ALLOW, then AUDIT;
	// within an action oldest first, then by namespace and name.
	Policies []Policy `json:"policies,omitempty"`
}

// ModeFor is the mode of a workload port. It allocates nothing.
func (in *Inbound) ModeFor(port uint16) PortMode {
	for _, p := range in.Ports {
		if p.Port == port {
			return p
		}
	}
	return in.Default
}

// HTTP says whether a workload port is declared to carry HTTP.
func (in *Inbound) HTTP(port uint16) bool {
	_, found := slices.BinarySearch(in.HTTPPorts, port)
	return found
}

// DefaultWait is how long a PERMISSIVE port that is not declared HTTP waits for a client's first bytes. A client that is
// silent for longer waits for the server to speak first (MySQL, SMTP, SSH).
const DefaultWait = time.Second

// WaitFor is how long a workload port waits for a client's first bytes.
func (in *Inbound) WaitFor(port uint16) time.Duration {
	for _, w := range in.Waits {
		if w.Port == port {
			return time.Duration(w.Milliseconds) * time.Millisecond
		}
	}
	return DefaultWait
}

// PortWait is how long a port waits for a client's first bytes; 0 where the server is known to speak first.
type PortWait struct {
	Port         uint16 `json:"port"`
	Milliseconds int32  `json:"milliseconds"`
}

// Outbound is what a client side must know before it asks about an address.
type Outbound struct {
	// ClusterRanges are where Services and pods have their addresses. What is dialled in them and is not known, while nobody
	// can be asked, is refused; outside of them it passes through.
	ClusterRanges []netip.Prefix `json:"clusterRanges,omitempty"`
}

// Telemetry is what a proxy tells about itself.
type Telemetry struct {
	// AccessLogPercent of the allowed connections and requests are logged, 0 to 100; refused ones always are.
	AccessLogPercent int `json:"accessLogPercent"`
	// MetricsFrom are the source addresses that may read the metrics, besides the pod's own.
	MetricsFrom []netip.Prefix `json:"metricsFrom,omitempty"`
}

// PortMode is a mode and the PeerAuthentication that decided it (nil: the built-in default).
type PortMode struct {
	Port      uint16     `json:"port,omitempty"`
	Mode      Mode       `json:"mode"`
	DecidedBy *ObjectRef `json:"decidedBy,omitempty"`
}

// ClientMode says how a connection to a destination begins.
type ClientMode string

// The client TLS modes of a DestinationRule.
const (
	ClientDisable     ClientMode = "DISABLE"
	ClientSimple      ClientMode = "SIMPLE"
	ClientMutual      ClientMode = "MUTUAL"
	ClientIstioMutual ClientMode = "ISTIO_MUTUAL"
)

// ClientTLS is the TLS choice for one destination.
type ClientTLS struct {
	Mode ClientMode `json:"mode"`
	// Auto is true when no DestinationRule chose the mode: it follows from what the endpoint can do.
	Auto      bool       `json:"auto,omitempty"`
	DecidedBy *ObjectRef `json:"decidedBy,omitempty"`

	// SNI to send; empty sends none.
	SNI string `json:"sni,omitempty"`
	// Identities are the SPIFFE IDs of which the server must prove one (ISTIO_MUTUAL).
	Identities []string `json:"identities,omitempty"`
	// SubjectAltNames are the names of which the server's certificate must carry one (SIMPLE, MUTUAL).
	SubjectAltNames    []string `json:"subjectAltNames,omitempty"`
	InsecureSkipVerify bool     `json:"insecureSkipVerify,omitempty"`

	// Files in the proxy's volume folder, or the name of a Secret in the client's namespace: one or the other.
	ClientCertificate string `json:"clientCertificate,omitempty"`
	PrivateKey        string `json:"privateKey,omitempty"`
	CACertificates    string `json:"caCertificates,omitempty"`
	CACRL             string `json:"caCrl,omitempty"`
	CredentialName    string `json:"credentialName,omitempty"`
}
