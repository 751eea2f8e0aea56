package podnet

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Service makes the node lead TCP connections from pods to an address, such as a ClusterIP, to one of the endpoints by chance,
// as kube-proxy does. Called again it replaces the endpoints, also for none: then there is no such address. Connections that
// exist stay. A pod does not reach itself this way.
func (n *Node) Service(t testing.TB, address netip.AddrPort, endpoints ...netip.AddrPort) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.services[address] = slices.Clone(endpoints)
	var rules [][]expr.Any
	for _, address := range slices.SortedFunc(maps.Keys(n.services), netip.AddrPort.Compare) {
		rules = append(rules, destinationNAT(address, n.services[address])...)
	}
	err := n.replaceTable("services", rules, nftables.Chain{
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest, Type: nftables.ChainTypeNAT,
	})
	if err != nil {
		t.Fatalf("service %s: %v", address, err)
	}
}

// replaceTable makes the rules those of the only chain of a table in the node's namespace, at once.
func (n *Node) replaceTable(name string, rules [][]expr.Any, chain nftables.Chain) error {
	conn, err := nftables.New(nftables.WithNetNSFd(int(n.ns)))
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
	conn.AddTable(table) // only a table that exists can be deleted
	conn.DelTable(table)
	conn.AddTable(table)
	chain.Name, chain.Table = name, table
	conn.AddChain(&chain)
	for _, expressions := range rules {
		conn.AddRule(&nftables.Rule{Table: table, Chain: &chain, Exprs: expressions})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("packet filter table %s: %w", name, err)
	}
	return nil
}

// destinationNAT is a rule for each endpoint; each takes its share of what the rules before left.
func destinationNAT(address netip.AddrPort, endpoints []netip.AddrPort) [][]expr.Any {
	var rules [][]expr.Any
	for i, endpoint := range endpoints {
		rule := dialled(address)
		rule = append(rule,
			&expr.Numgen{Register: 1, Modulus: uint32(len(endpoints) - i), Type: unix.NFT_NG_RANDOM},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(0)},
			&expr.Immediate{Register: 1, Data: endpoint.Addr().AsSlice()},
			&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(endpoint.Port())},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(family(endpoint.Addr())), RegAddrMin: 1, RegProtoMin: 2},
		)
		rules = append(rules, rule)
	}
	return rules
}

// dialled matches TCP packets to an address.
func dialled(address netip.AddrPort) []expr.Any {
	offset, size := uint32(16), uint32(4) // of the destination in the header
	if address.Addr().Is6() {
		offset, size = 24, 16
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family(address.Addr())}},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: address.Addr().AsSlice()},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(address.Port())},
	}
}

func family(addr netip.Addr) byte {
	if addr.Is4() {
		return unix.NFPROTO_IPV4
	}
	return unix.NFPROTO_IPV6
}
