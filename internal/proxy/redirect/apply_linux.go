package redirect

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	"github.com/warifu/warifu/internal/naming"
)

// Apply makes the rules those of the network namespace of the calling thread, in one transaction; other tables stay as they
// are. An error says what to do, and nothing has changed.
func Apply(o Options) error {
	rules, err := o.rules()
	if err != nil {
		return fmt.Errorf("redirect: %w", err)
	}
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("redirect: %w", err)
	}
	table := &nftables.Table{Name: naming.PacketFilterTable, Family: nftables.TableFamilyINet}
	conn.AddTable(table) // only a table that exists can be deleted
	conn.DelTable(table)
	conn.AddTable(table)
	add(conn, rules.outbound, &nftables.Chain{Name: "outbound", Table: table, Hooknum: nftables.ChainHookOutput})
	add(conn, rules.inbound, &nftables.Chain{Name: "inbound", Table: table, Hooknum: nftables.ChainHookPrerouting})
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("redirect: setting up the packet filter: %w%s", err, advice(err))
	}
	return nil
}

func add(conn *nftables.Conn, rules []rule, chain *nftables.Chain) {
	chain.Type, chain.Priority = nftables.ChainTypeNAT, nftables.ChainPriorityNATDest
	conn.AddChain(chain)
	for _, r := range rules {
		conn.AddRule(&nftables.Rule{
			Table: chain.Table, Chain: chain, Exprs: r.expressions(),
			UserData: userdata.AppendString(nil, userdata.TypeComment, r.why),
		})
	}
}

// advice is what to do about an error of the kernel.
func advice(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return ": it takes root with the capability NET_ADMIN; let the namespace's Pod Security level allow it"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT),
		errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return ": the node's kernel must be 5.2 or newer, with the modules nf_tables, nft_redir and nft_fib_inet"
	}
	return ""
}
