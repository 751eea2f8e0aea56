package plan

import (
	"fmt"
	"net/netip"

	"github.com/warifu/warifu/hack/cluster/machine"
)

// MaxNodes is how many nodes a cluster can have.
const MaxNodes = 3

// The addresses of the cluster. Of these only Network is known to the machine that it runs on, as the network of one
// interface.
const (
	// Link is the machine's interface to the cluster's network.
	Link = "warifu0"
	// APIPort is where the API server listens, at the first node's address.
	APIPort = 6443
	// Pods is where all pods have their addresses, Services all Services.
	Pods     = "10.244.0.0/16"
	Services = "10.96.0.0/16"
	// APIService and DNSService are the addresses of the Services kubernetes and kube-dns.
	APIService = "10.96.0.1"
	DNSService = "10.96.0.10"
	// Domain is the suffix of the names of Services.
	Domain = "cluster.local"
)

// Machine is the machine's own address in the network of the nodes.
func Machine() netip.Prefix { return netip.MustParsePrefix("10.213.0.1/24") }

// Node is one node.
type Node struct {
	// Index counts from 1. The first node also runs the control plane.
	Index int
	// Name is that of the Node object, and the hostname.
	Name string
	// Address is in the network of the machine.
	Address netip.Prefix
	// Pods is where the node's pods have their addresses.
	Pods netip.Prefix
}

// Nodes are the nodes of a cluster of that size.
func Nodes(size int) []Node {
	var all []Node
	for i := 1; i <= size; i++ {
		all = append(all, Node{
			Index:   i,
			Name:    fmt.Sprintf("node%d", i),
			Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 213, 0, byte(10 + i)}), Machine().Bits()),
			Pods:    netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24),
		})
	}
	return all
}

// ControlPlane says that the node runs it.
func (n Node) ControlPlane() bool { return n.Index == 1 }

// Routes are the node's ways to the pods of every other node that the cluster can have. The one to Services leads nowhere:
// kube-proxy has given a packet another destination before it takes it, but without a route no packet is sent at all. There
// is no way out of the cluster.
func (n Node) Routes() []machine.Route {
	all := []machine.Route{{To: netip.MustParsePrefix(Services), Via: Machine().Addr()}}
	for _, other := range Nodes(MaxNodes) {
		if other.Index != n.Index {
			all = append(all, machine.Route{To: other.Pods, Via: other.Address.Addr()})
		}
	}
	return all
}

// Server is the URL of the API server, for every client outside of pods.
func Server() string {
	return fmt.Sprintf("https://%s:%d", Nodes(1)[0].Address.Addr(), APIPort)
}
