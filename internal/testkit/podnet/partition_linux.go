package podnet

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Disconnect loses every packet between the pod and the host's namespace, of connections that exist too, without a word to
// either: a partition from the control plane. Pods still reach each other.
func (p *Pod) Disconnect(t testing.TB) {
	t.Helper()
	p.node.partition(t, p.link, true)
}

// Connect ends what Disconnect did.
func (p *Pod) Connect(t testing.TB) {
	t.Helper()
	p.node.partition(t, p.link, false)
}

func (n *Node) partition(t testing.TB, link string, cut bool) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if cut {
		n.cut[link] = true
	} else {
		delete(n.cut, link)
	}
	var rules [][]expr.Any
	for _, link := range slices.Sorted(maps.Keys(n.cut)) {
		rules = append(rules, drop(link, uplink), drop(uplink, link))
	}
	err := n.replaceTable("partition", rules, nftables.Chain{
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Type: nftables.ChainTypeFilter,
	})
	if err != nil {
		t.Fatalf("partition: %v", err)
	}
}

// drop loses what comes in over one link and would go out over another.
func drop(from, to string) []expr.Any {
	name := func(link string) []byte { return append([]byte(link), make([]byte, unix.IFNAMSIZ-len(link))...) }
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name(from)},
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name(to)},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}
