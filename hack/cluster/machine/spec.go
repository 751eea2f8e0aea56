package machine

import "net/netip"

// Spec is what a node is made of, beside its network: the file of this JSON is all that its first process is given.
type Spec struct {
	// Name is the node's hostname.
	Name string `json:"name"`
	// Var is the folder that the node has as its /var.
	Var string `json:"var,omitempty"`
	// Path is where its programs find others.
	Path string `json:"path,omitempty"`
	// Programs run as long as the node: one that ends is started again.
	Programs []Program `json:"programs,omitempty"`
}

// Program is one program of a node. Its output goes to /var/log/NAME.log.
type Program struct {
	Name string   `json:"name"`
	Path string   `json:"path"`
	Args []string `json:"args,omitempty"`
}

// Route is a way to other addresses.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}
