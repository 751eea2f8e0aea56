package redirect

import (
	"net"
	"net/netip"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// register holds what the next expression compares or uses.
const register = unix.NFT_REG_1

// Where the destination stands in the headers, in bytes.
const (
	offsetPort = 2
	offsetIPv4 = 16
	offsetIPv6 = 24
)

// expressions is the rule as the kernel's packet filter executes it: each loads a value and compares it, and the rule ends
// where a comparison fails.
func (r rule) expressions() []expr.Any {
	out := append(
		compare(meta(expr.MetaKeyL4PROTO), []byte{unix.IPPROTO_TCP}),
		r.match.expressions()...,
	)
	if r.to == 0 {
		return append(out, &expr.Verdict{Kind: expr.VerdictAccept})
	}
	return append(out,
		&expr.Immediate{Register: register, Data: binaryutil.BigEndian.PutUint16(r.to)},
		&expr.Redir{RegisterProtoMin: register},
	)
}

func (m match) expressions() []expr.Any {
	var out []expr.Any
	if m.in != "" {
		out = append(out, compare(meta(expr.MetaKeyIIFNAME), interfaceName(m.in))...)
	}
	if m.out != "" {
		out = append(out, compare(meta(expr.MetaKeyOIFNAME), interfaceName(m.out))...)
	}
	if m.owner != 0 {
		out = append(out, compare(meta(expr.MetaKeySKUID), binaryutil.NativeEndian.PutUint32(m.owner))...)
	}
	if m.destination.IsValid() {
		out = append(out, within(m.destination)...)
	}
	if m.elsewhere {
		out = append(out,
			&expr.Fib{Register: register, FlagDADDR: true, ResultADDRTYPE: true},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: binaryutil.NativeEndian.PutUint32(unix.RTN_LOCAL)},
		)
	}
	if m.port != 0 {
		load := &expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offsetPort, Len: 2}
		out = append(out, compare(load, binaryutil.BigEndian.PutUint16(m.port))...)
	}
	return out
}

// within compares the destination address with a range.
func within(prefix netip.Prefix) []expr.Any {
	family, offset := byte(unix.NFPROTO_IPV4), uint32(offsetIPv4)
	if prefix.Addr().Is6() {
		family, offset = unix.NFPROTO_IPV6, offsetIPv6
	}
	network := prefix.Masked().Addr().AsSlice()
	size := uint32(len(network))
	return append(compare(meta(expr.MetaKeyNFPROTO), []byte{family}),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size},
		&expr.Bitwise{
			SourceRegister: register, DestRegister: register, Len: size,
			Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()), Xor: make([]byte, size),
		},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: network},
	)
}

func meta(key expr.MetaKey) expr.Any { return &expr.Meta{Key: key, Register: register} }

func compare(load expr.Any, with []byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: with}}
}

// interfaceName is padded, so that it matches itself and no longer name.
func interfaceName(name string) []byte {
	out := make([]byte, unix.IFNAMSIZ)
	copy(out, name)
	return out
}
