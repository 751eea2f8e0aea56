package http

import (
	nethttp "net/http"
	"strings"
)

// field is a header or trailer field as it came. Both strings are immutable, so an exchange may keep them as long as it
// lives.
type field struct {
	name, value string
	kind        kind
	// sensitive: the client does not want it to be in a table for compression (RFC 7541 section 7.1.3).
	sensitive bool
}

// kind says what a field means to a proxy.
type kind uint8

const (
	// plain fields are the application's and pass untouched.
	plain kind = iota
	// dropped fields are not passed on: they belong to a connection, are ours to set, or could be taken for one that is.
	dropped
	fieldHost
	fieldConnection
	fieldContentLength
	fieldTransferEncoding
	fieldTE
	fieldUpgrade
	fieldExpect
	fieldRequestID
)

const (
	nameXFCC      = "X-Forwarded-Client-Cert"
	nameRequestID = "X-Request-Id"
)

// known are the fields that are more than plain, by the length of their name: most fields are told apart by that alone.
var known = byLength(map[string]kind{
	"connection":        fieldConnection,
	"content-length":    fieldContentLength,
	"expect":            fieldExpect,
	"host":              fieldHost,
	"te":                fieldTE,
	"transfer-encoding": fieldTransferEncoding,
	"upgrade":           fieldUpgrade,
	"x-request-id":      fieldRequestID,
	"http2-settings":    dropped,
	"keep-alive":        dropped,
	"proxy-connection":  dropped,
})

type namedKind struct {
	name string
	kind kind
}

func byLength(kinds map[string]kind) (table [len(nameXFCC)][]namedKind) {
	for name, kind := range kinds {
		table[len(name)] = append(table[len(name)], namedKind{name, kind})
	}
	return table
}

// newField classifies a field of a request. The name is a token already, see validName.
//
// A name with an underscore is dropped: CGI and its heirs write every dash as one, so it could be taken for a field that
// was decided about, or for one that only we may set.
func newField(name, value string) field {
	f := field{name: name, value: value}
	switch {
	case strings.IndexByte(name, '_') >= 0, isXFCC(name):
		f.kind = dropped
	default:
		f.kind = kindOf(name)
	}
	return f
}

// kindOf is the kind of a field by name, in any case.
func kindOf(name string) kind {
	if len(name) >= len(known) {
		return plain
	}
	for _, k := range known[len(name)] {
		if strings.EqualFold(k.name, name) {
			return k.kind
		}
	}
	return plain
}

// isXFCC knows X-Forwarded-Client-Cert in every spelling: some servers make one character of all that is neither letter nor
// digit.
func isXFCC(name string) bool {
	if len(name) != len(nameXFCC) {
		return false
	}
	for i := range len(name) {
		c, want := name[i], nameXFCC[i]
		if want == '-' {
			if isAlphanumeric(c) {
				return false
			}
		} else if c|0x20 != want|0x20 {
			return false
		}
	}
	return true
}

// Classes of bytes, as bits.
const (
	tokenByte = 1 << iota // RFC 9110 section 5.6.2
	valueByte             // RFC 9110 section 5.5, with obs-text
	hostByte              // what a name or an address with a port needs
)

var classes = func() (table [256]uint8) {
	for i := range table {
		c := byte(i)
		if isAlphanumeric(c) {
			table[i] |= tokenByte | hostByte
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			table[i] |= valueByte
		}
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		table[c] |= tokenByte
	}
	for _, c := range "-._~:[]%" {
		table[c] |= hostByte
	}
	return table
}()

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func consistsOf(s string, class uint8) bool {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// validName says whether a field's name, or a method, is a token.
func validName(s string) bool { return s != "" && consistsOf(s, tokenByte) }

// validValue says whether a field's value has no control characters: no NUL, CR or LF that another parser could end it at.
func validValue(s string) bool { return consistsOf(s, valueByte) }

// header is the form in which policies read fields.
func header(fields []field) nethttp.Header {
	h := make(nethttp.Header, len(fields))
	for _, f := range fields {
		key := nethttp.CanonicalHeaderKey(f.name)
		h[key] = append(h[key], f.value)
	}
	return h
}
