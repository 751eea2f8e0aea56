package mtls

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/warifu/warifu/internal/identity"
)

// serverName is a name that a certificate must carry, with its type: exactly one field is set. A name is compared with
// subject alternative names of its own type only, and never with e-mail addresses or the common name, which CAs do not
// vouch for as names of servers.
type serverName struct {
	uri string
	ip  netip.Addr
	dns string // lower case, without a final dot
}

// parseServerName tells the type of a name by its form.
func parseServerName(s string) (serverName, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return serverName{ip: ip.Unmap()}, nil
	}
	if strings.Contains(s, ":") {
		return serverName{uri: s}, nil
	}
	dns := strings.ToLower(strings.TrimSuffix(s, "."))
	if dns == "" || strings.ContainsFunc(dns, notInDNS) {
		return serverName{}, fmt.Errorf("%q is no URI, IP address or DNS name, and other names are not compared", s)
	}
	return serverName{dns: dns}, nil
}

// notInDNS tells the bytes that a host name in a certificate has no business with: NUL, blanks, @.
func notInDNS(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.*", r)
}

func (n serverName) String() string {
	switch {
	case n.uri != "":
		return "URI " + n.uri
	case n.ip.IsValid():
		return "IP " + n.ip.String()
	}
	return "DNS " + n.dns
}

// matchAny is nil when the certificate carries one of the names.
func matchAny(wanted []serverName, cert *x509.Certificate) error {
	uris, err := identity.URINames(cert)
	if err != nil {
		return err
	}
	for _, name := range wanted {
		if name.in(cert, uris) {
			return nil
		}
	}
	return fmt.Errorf("it is for %s, expected one of %s: if that is the right server, list its name in subjectAltNames",
		list(carried(cert, uris)), list(wanted))
}

func (n serverName) in(cert *x509.Certificate, uris []string) bool {
	switch {
	case n.uri != "":
		return slices.Contains(uris, n.uri)
	case n.ip.IsValid():
		return slices.ContainsFunc(cert.IPAddresses, func(san net.IP) bool {
			ip, ok := netip.AddrFromSlice(san)
			return ok && ip.Unmap() == n.ip
		})
	}
	return slices.ContainsFunc(cert.DNSNames, func(san string) bool { return matchesDNS(san, n.dns) })
}

// matchesDNS compares a name of a certificate with a DNS name. A wildcard stands for exactly one label, the left-most, and
// is the whole of it (RFC 6125, section 6.4.3).
func matchesDNS(san, name string) bool {
	san = strings.ToLower(san)
	if san == name {
		return true
	}
	parent, wildcard := strings.CutPrefix(san, "*.")
	label, rest, ok := strings.Cut(name, ".")
	return wildcard && ok && label != "" && rest != "" && rest == parent
}

// carried are the names in a certificate, for an error.
func carried(cert *x509.Certificate, uris []string) []serverName {
	var names []serverName
	for _, uri := range uris {
		names = append(names, serverName{uri: uri})
	}
	for _, san := range cert.IPAddresses {
		if ip, ok := netip.AddrFromSlice(san); ok {
			names = append(names, serverName{ip: ip})
		}
	}
	for _, san := range cert.DNSNames {
		names = append(names, serverName{dns: san})
	}
	return names
}

// list bounds what an error repeats of a certificate, which may carry thousands of names.
func list(names []serverName) string {
	const most = 8
	if len(names) == 0 {
		return "no name"
	}
	var out []string
	for _, name := range names[:min(most, len(names))] {
		out = append(out, fmt.Sprintf("%.300q", name.String()))
	}
	if more := len(names) - most; more > 0 {
		out = append(out, fmt.Sprintf("%d more", more))
	}
	return strings.Join(out, ", ")
}
