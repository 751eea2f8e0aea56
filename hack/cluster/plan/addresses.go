package plan

import (
	"fmt"
	"net/netip"
	"path"

	"github.com/warifu/warifu/hack/cluster/machine"
)

// MaxNodes is how many nodes a cluster can have.
const MaxNodes = 3

// MaxID is the highest ID.
const MaxID = 9

// ID tells the clusters of one machine apart. The zero value is that of the usual one.
type ID int

// Folder is where the cluster's state is.
func (id ID) Folder() Folder {
	if id == 0 {
		return DefaultFolder
	}
	return Folder(fmt.Sprintf("%s-%d", DefaultFolder, id))
}

// Link is the machine's interface to the network of the nodes. Tests that make pods without a cluster call theirs warifuN.
func (id ID) Link() string { return fmt.Sprintf("warifu-k8s%d", id) }

// Machine is the machine's own address in the network of the nodes, the only one of the cluster's that the machine knows.
func (id ID) Machine() netip.Prefix { return netip.PrefixFrom(id.address(1), 24) }

func (id ID) address(last int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 213, byte(id), byte(last)})
}

// Cgroup is the cgroup of a node, below the root of every hierarchy; that of an empty name holds all nodes.
func (id ID) Cgroup(node string) string { return path.Join("/", path.Base(string(id.Folder())), node) }

// Server is the URL of the API server, for every client outside of pods.
func (id ID) Server() string {
	return fmt.Sprintf("https://%s:%d", id.Nodes(1)[0].Address.Addr(), APIPort)
}

// The addresses inside of a cluster, of which its machine knows nothing.
const (
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

// Node is one node.
type Node struct {
	Cluster ID
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
func (id ID) Nodes(size int) []Node {
	var all []Node
	for i := 1; i <= size; i++ {
		all = append(all, Node{
			Cluster: id,
			Index:   i,
			Name:    fmt.Sprintf("node%d", i),
			Address: netip.PrefixFrom(id.address(10+i), id.Machine().Bits()),
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
	all := []machine.Route{{To: netip.MustParsePrefix(Services), Via: n.Cluster.Machine().Addr()}}
	for _, other := range n.Cluster.Nodes(MaxNodes) {
		if other.Index != n.Index {
			all = append(all, machine.Route{To: other.Pods, Via: other.Address.Addr()})
		}
	}
	return all
}
