package proxyconfig

import (
	"maps"
	"net/netip"
)

// Ask is one line from a proxy to the control API: JSON, one object a line, on the body of one long request. The first line
// has Hello; the other fields may come together or alone.
type Ask struct {
	Hello *Hello `json:"hello,omitempty"`
	// Watch are addresses to be told of, now and on every change, until Forget lists them.
	Watch  []netip.AddrPort `json:"watch,omitempty"`
	Forget []netip.AddrPort `json:"forget,omitempty"`
	// WatchCredentials are Secrets of the proxy's own namespace, by name, that a DestinationRule's credentialName named.
	WatchCredentials  []string `json:"watchCredentials,omitempty"`
	ForgetCredentials []string `json:"forgetCredentials,omitempty"`
	// Ack is the highest revision that is in force, with all before it.
	Ack uint64 `json:"ack,omitempty"`
	// Rejected is a configuration that could not be put in force: the one before it still is.
	Rejected *Rejection `json:"rejected,omitempty"`
}

// Hello begins a stream.
type Hello struct {
	// Schema is the SchemaVersion that the proxy understands.
	Schema int `json:"schema"`
	// Seen is the newest state that any replica has told this proxy. A replica answers when it has seen as much.
	Seen AsOf `json:"seen,omitempty"`
	// Version of the proxy's program, for people.
	Version string `json:"version,omitempty"`
}

// Rejection says why a revision is not in force.
type Rejection struct {
	Revision uint64 `json:"revision"`
	Reason   string `json:"reason"`
}

// Tell is one line from the control API to a proxy. A line replaces what earlier ones said about the same things; what a
// slow reader has not read yet is replaced before it is sent. A line with AsOf alone is a sign of life.
type Tell struct {
	// Revision counts the lines of one stream that are to be acknowledged; 0 on a sign of life.
	Revision    uint64       `json:"revision,omitempty"`
	AsOf        AsOf         `json:"asOf,omitempty"`
	Config      *Config      `json:"config,omitempty"`
	Addresses   []Address    `json:"addresses,omitempty"`
	Credentials []Credential `json:"credentials,omitempty"`
}

// Credential is the content of a Secret, or why it cannot be had.
type Credential struct {
	Name string `json:"name"`
	// Problem is empty when the rest is usable.
	Problem        string `json:"problem,omitempty"`
	Certificate    []byte `json:"certificate,omitempty"`
	PrivateKey     []byte `json:"privateKey,omitempty"`
	CACertificates []byte `json:"caCertificates,omitempty"`
	CACRL          []byte `json:"caCrl,omitempty"`
}

// AsOf says how much of the cluster's history a statement takes in: by kind, the highest resourceVersion seen.
type AsOf map[string]uint64

// Reaches is true when everything in other is taken in.
func (a AsOf) Reaches(other AsOf) bool {
	for kind, version := range other {
		if a[kind] < version {
			return false
		}
	}
	return true
}

// With is a with what other has seen beyond it. Neither is changed.
func (a AsOf) With(other AsOf) AsOf {
	out := maps.Clone(a)
	if out == nil {
		out = AsOf{}
	}
	for kind, version := range other {
		out[kind] = max(out[kind], version)
	}
	return out
}
