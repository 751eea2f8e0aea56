package http

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
)

// forwardedCert is the value of X-Forwarded-Client-Cert for a connection, "" where the peer has proven no identity:
//
//	By=<own ID>;Hash=<hex SHA-256 of the leaf>;Subject="<distinguished name>";URI=<peer's ID>
//
// It is always one element: what a client sent is removed and never appended to, so that there is nothing to be confused by.
func forwardedCert(own string, c *Connection) string {
	if !c.Peer.MTLS || c.Certificate == nil {
		return ""
	}
	hash := sha256.Sum256(c.Certificate.Raw)
	return "By=" + quoted(own) + ";Hash=" + hex.EncodeToString(hash[:]) +
		";Subject=\"" + distinguishedName(c.Certificate) + "\";URI=" + quoted(c.Peer.Identity)
}

// distinguishedName is the subject by RFC 2253, which escapes quotes itself. What has no place in a header is written as hex
// pairs, as section 2.4 allows: whoever signed the certificate may have signed a line break.
func distinguishedName(cert *x509.Certificate) string {
	name := cert.Subject.String()
	var out strings.Builder
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7f {
			fmt.Fprintf(&out, `\%02X`, c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

// quoted puts a value in quotes where it has characters that mean something between values.
func quoted(s string) string {
	if !strings.ContainsAny(s, `,;="`) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
}
