package proxyconfig

import "net/netip"

// Address is what a client is told about an address that it dials. It is the client's own view: what it may use of the
// Service's endpoints, and how it must begin.
type Address struct {
	// Address that was asked about.
	Address netip.AddrPort `json:"address"`
	// Known is false for an address of nobody in the cluster: the connection passes through untouched. A known address
	// without endpoints is refused, as kube-proxy does.
	Known bool `json:"known"`
	// Service dialled, namespace/name; empty for a pod's own address.
	Service string `json:"service,omitempty"`
	// AffinitySeconds is how long this client stays with the endpoint that it used last; 0: no affinity.
	AffinitySeconds int32 `json:"affinitySeconds,omitempty"`
	// Endpoints that this client may use now, by address. Any of them is as good as another: what the Service says about
	// readiness, termination, topology and internalTrafficPolicy has been applied.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// TLS are the distinct ways to begin that Endpoints refer to.
	TLS []ClientTLS `json:"tls,omitempty"`
}

// Endpoint is one address behind another.
type Endpoint struct {
	Address netip.AddrPort `json:"address"`
	// Workload behind it, namespace/name; empty when it is not a pod of the cluster.
	Workload string `json:"workload,omitempty"`
	// TLS is the index in Address.TLS of how to begin.
	TLS int `json:"tls"`
}

// ChoiceFor is how to begin with an endpoint. It is false where an answer refers to a choice that it does not carry.
func (a *Address) ChoiceFor(e Endpoint) (ClientTLS, bool) {
	if e.TLS < 0 || e.TLS >= len(a.TLS) {
		return ClientTLS{}, false
	}
	return a.TLS[e.TLS], true
}
