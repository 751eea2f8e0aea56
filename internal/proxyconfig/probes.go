package proxyconfig

// Probes are the application's own probes and lifecycle hooks, for which the proxy answers: kubelet speaks plaintext and
// proves no identity, so under STRICT it could not reach them itself. They stand in the order of the pod's containers.
type Probes []Probe

// Probe is one of them: exactly one of HTTPGet, TCPSocket and GRPC is set. Ports are numbers; names are resolved.
type Probe struct {
	// Path on the proxy's admin port at which kubelet asks.
	Path string `json:"path"`
	// TimeoutSeconds is how long kubelet waits for the answer; 0 for a lifecycle hook, which has no limit of its own.
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`

	HTTPGet   *HTTPProbe `json:"httpGet,omitempty"`
	TCPSocket *TCPProbe  `json:"tcpSocket,omitempty"`
	GRPC      *GRPCProbe `json:"grpc,omitempty"`
}

// HTTPProbe succeeds on an answer from 200 to 399.
type HTTPProbe struct {
	// Scheme is HTTP or HTTPS; with HTTPS the certificate is not verified, as kubelet does.
	Scheme string `json:"scheme"`
	// Host to dial; empty is the pod's own address.
	Host    string   `json:"host,omitempty"`
	Port    int32    `json:"port"`
	Path    string   `json:"path"`
	Headers []Header `json:"headers,omitempty"`
}

// Header is one request header; a name may repeat.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// TCPProbe succeeds when a connection opens.
type TCPProbe struct {
	Host string `json:"host,omitempty"`
	Port int32  `json:"port"`
}

// GRPCProbe asks grpc.health.v1.Health about a service; an empty service is the server as a whole.
type GRPCProbe struct {
	Port    int32  `json:"port"`
	Service string `json:"service,omitempty"`
}

// Find returns the probe at a path.
func (p Probes) Find(path string) (Probe, bool) {
	for _, probe := range p {
		if probe.Path == path {
			return probe, true
		}
	}
	return Probe{}, false
}
