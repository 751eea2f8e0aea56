package sniff

import (
	"errors"
	"fmt"
	"slices"
)

// Hello is what a ClientHello says that anybody decides by.
type Hello struct {
	// ServerName is the SNI as it was sent; empty without one.
	ServerName string
	// Protocols are the ALPN names offered, in the client's order.
	Protocols []string
}

// Offers says whether the client offers an ALPN name.
func (h Hello) Offers(protocol string) bool { return slices.Contains(h.Protocols, protocol) }

// The extensions that are read.
const (
	extensionServerName = 0
	extensionALPN       = 16
	nameTypeHost        = 0
)

var errTruncated = errors.New("ClientHello: a length in it points past its end")

// parseHello reads a whole ClientHello, header included. It is stricter than TLS stacks are where they differ: what two of
// them would read in two ways (a repeated extension, several names, bytes left over) is an error.
func parseHello(message []byte) (Hello, error) {
	r := cursor{rest: message}
	r.skip(messageHeader)
	r.skip(2 + 32) // version, random
	r.vector8()    // session id
	r.vector16()   // cipher suites
	r.vector8()    // compression methods
	if r.atEnd() { // before TLS 1.2 there need not be extensions
		return Hello{}, r.err
	}
	extensions := cursor{rest: r.vector16()}
	if err := r.end(); err != nil {
		return Hello{}, err
	}
	var hello Hello
	seen := map[uint16]bool{}
	for !extensions.atEnd() {
		kind, data := extensions.uint16(), extensions.vector16()
		if extensions.err != nil {
			break
		}
		if seen[kind] {
			return Hello{}, fmt.Errorf("ClientHello: extension %d is there twice", kind)
		}
		seen[kind] = true
		if err := hello.read(kind, data); err != nil {
			return Hello{}, err
		}
	}
	return hello, extensions.err
}

func (h *Hello) read(kind uint16, data []byte) (err error) {
	switch kind {
	case extensionServerName:
		h.ServerName, err = parseServerName(data)
	case extensionALPN:
		h.Protocols, err = parseProtocols(data)
	}
	return err
}

// parseServerName accepts exactly one host name, of visible ASCII and without a dot at its end: RFC 6066, section 3.
func parseServerName(data []byte) (string, error) {
	r := cursor{rest: data}
	list := cursor{rest: r.vector16()}
	if err := r.end(); err != nil {
		return "", err
	}
	kind, name := list.uint8(), list.vector16()
	if err := list.end(); err != nil {
		return "", fmt.Errorf("server name: %w", err)
	}
	if kind != nameTypeHost || len(name) == 0 || name[len(name)-1] == '.' {
		return "", errors.New("ClientHello: the server name is not a host name")
	}
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return "", errors.New("ClientHello: the server name has a character that no name has")
		}
	}
	return string(name), nil
}

func parseProtocols(data []byte) ([]string, error) {
	r := cursor{rest: data}
	list := cursor{rest: r.vector16()}
	if err := r.end(); err != nil {
		return nil, err
	}
	if list.atEnd() {
		return nil, errors.New("ClientHello: an empty list of ALPN names")
	}
	var protocols []string
	for !list.atEnd() {
		name := list.vector8()
		if len(name) == 0 {
			return nil, errors.New("ClientHello: an empty ALPN name")
		}
		protocols = append(protocols, string(name))
	}
	return protocols, list.err
}
