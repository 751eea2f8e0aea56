package http

import (
	"strconv"
	"strings"
)

// bodyKind is how a message says where its body ends (RFC 9112 section 6).
type bodyKind uint8

const (
	noBody bodyKind = iota
	byLengthOf
	byChunks
	// byClose: of a response, and the end of the connection ends it.
	byClose
)

type framing struct {
	kind bodyKind
	// length in bytes, of byLengthOf. Of a response without a body it is the one that was announced.
	length int64
}

// framingOf reads Content-Length and Transfer-Encoding strictly: everything that two programs have been known to read in two
// ways is an error. Where a body has neither, the kind is noBody.
func framingOf(fields []field, chunks bool) (framing, error) {
	var f framing
	for i := range fields {
		switch fields[i].kind {
		case fieldContentLength:
			length, err := contentLength(fields[i].value)
			switch {
			case err != nil:
				return f, err
			case f.kind == byChunks:
				return f, malformed("both Content-Length and Transfer-Encoding")
			case f.kind == byLengthOf && f.length != length:
				return f, malformed("two Content-Lengths that differ")
			case f.kind == byLengthOf:
				fields[i].kind = dropped
			}
			f = framing{byLengthOf, length}
		case fieldTransferEncoding:
			switch {
			case !chunks:
				return f, malformed("Transfer-Encoding in HTTP/1.0")
			case f.kind == byLengthOf:
				return f, malformed("both Content-Length and Transfer-Encoding")
			case f.kind == byChunks:
				return f, malformed("two Transfer-Encodings")
			case !strings.EqualFold(fields[i].value, "chunked"):
				return f, malformed("a Transfer-Encoding that is not chunked")
			}
			f.kind = byChunks
		default:
		}
	}
	return f, nil
}

// contentLength takes digits and nothing else: no sign, no list, no more than fits.
func contentLength(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || s[0] == '+' {
		return 0, malformed("the Content-Length is not a number")
	}
	return int64(n), nil
}

// connection is what the Connection fields of a message say.
type connection struct {
	close, keepAlive, upgrade bool
}

// connectionOf reads the Connection fields, and drops those that they name. A field that decides where a message ends, whom
// it is for or who sent it cannot be taken away in this manner.
func connectionOf(fields []field) (connection, error) {
	var c connection
	for i := range fields {
		if fields[i].kind != fieldConnection {
			continue
		}
		for option := range strings.SplitSeq(fields[i].value, ",") {
			option = strings.Trim(option, " \t")
			switch {
			case option == "":
			case strings.EqualFold(option, "close"):
				c.close = true
			case strings.EqualFold(option, "keep-alive"):
				c.keepAlive = true
			case strings.EqualFold(option, "upgrade"):
				c.upgrade = true
			default:
				if err := dropNamed(fields, option); err != nil {
					return c, err
				}
			}
		}
	}
	return c, nil
}

func dropNamed(fields []field, name string) error {
	if !validName(name) {
		return malformed("a Connection option is not a token")
	}
	switch kindOf(name) {
	case fieldHost, fieldContentLength, fieldTransferEncoding, fieldExpect:
		return malformed("Connection names a field that is not the connection's")
	case fieldTE, fieldConnection:
		return nil // read by its own rules
	default:
	}
	if isXFCC(name) {
		return malformed("Connection names a field that is not the connection's")
	}
	for i := range fields {
		if strings.EqualFold(fields[i].name, name) {
			fields[i].kind = dropped
		}
	}
	return nil
}
