package authz

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// attribute is one thing that a rule can ask about.
type attribute uint8

const (
	sourcePrincipal attribute = iota
	sourceNamespace
	sourceServiceAccount
	sourceTrustDomain
	sourceIP
	destinationIP
	destinationPort
	connectionSNI
	// From here on only HTTP has it.
	requestHost
	requestMethod
	requestPath
	requestHeader
)

func (a attribute) httpOnly() bool { return a >= requestHost }

// check compares one attribute with the values of one field. Which of the lists is in use follows from the attribute; a
// switch over a closed set, rather than an interface, keeps a decision free of allocations.
type check struct {
	attr attribute
	// negate: the field is a not field. It is the negation of the whole comparison, and so true of an absent attribute.
	negate bool
	// wide says how to read an attribute that different programs read differently: the method in another case, the host
	// with a port, a header that was sent twice. A comparison that can only refuse (the values of DENY, the not values of
	// ALLOW) takes every reading, one that can only permit (the values of ALLOW, the not values of DENY) takes the literal
	// one. So no second reading gets anything through, whichever one the application takes.
	wide bool

	header   string
	patterns []pattern
	accounts []serviceAccount
	blocks   []netip.Prefix
	ports    []uint16
	paths    []pathPattern
}

// add parses one value.
func (c *check) add(value string) error {
	switch c.attr {
	case sourceServiceAccount:
		account, err := parseServiceAccount(value)
		if err == nil && account.namespace == "" {
			err = errShortServiceAccount
		}
		c.accounts = append(c.accounts, account)
		return err
	case sourceIP, destinationIP:
		block, err := ParseIPBlock(value)
		c.blocks = append(c.blocks, block)
		return err
	case destinationPort:
		port, err := ParsePort(value)
		c.ports = append(c.ports, port)
		return err
	case requestPath:
		path, err := parsePath(value)
		c.paths = append(c.paths, path)
		return err
	default:
		return c.addPattern(value)
	}
}

func (c *check) addPattern(value string) error {
	parse := parsePattern
	switch c.attr {
	case sourcePrincipal:
		parse = parsePrincipal
	case sourceNamespace, sourceTrustDomain:
		parse = parseName
	default:
	}
	p, err := parse(value)
	if c.folds() {
		p = p.folded()
	}
	c.patterns = append(c.patterns, p)
	return err
}

// folds is true where case means nothing: in DNS names always; in a method, which by the standard is case-sensitive, where
// an application that thinks otherwise would let a refused request through.
func (c *check) folds() bool {
	return c.attr == requestHost || c.attr == connectionSNI || c.attr == requestMethod && c.wide
}

// holds answers the check. An HTTP attribute asked of a TCP connection holds: a rule of ALLOW that has one was left out
// before, and DENY and AUDIT do without the field and get wider.
func (c *check) holds(f *facts) bool {
	if c.attr.httpOnly() && f.http == nil {
		return true
	}
	return c.matches(f) != c.negate
}

func (c *check) matches(f *facts) bool {
	switch c.attr {
	case sourcePrincipal:
		return c.matchText(f.peer.principal)
	case sourceNamespace:
		return c.matchText(f.peer.namespace)
	case sourceTrustDomain:
		return c.matchText(f.peer.trustDomain)
	case sourceServiceAccount:
		return slices.Contains(c.accounts, serviceAccount{f.peer.namespace, f.peer.account})
	case sourceIP:
		return c.matchAddress(f.source)
	case destinationIP:
		return c.matchAddress(f.destination)
	case destinationPort:
		return slices.Contains(c.ports, f.port)
	case connectionSNI:
		return c.matchText(f.sni)
	case requestHost:
		return c.matchHost(f.http.Host)
	case requestMethod:
		return c.matchText(f.http.Method)
	case requestPath:
		return c.matchPath(f.http.Path)
	default:
		return c.matchHeader(f.http.Header)
	}
}

func (c *check) matchText(s string) bool {
	fold := c.folds()
	for _, p := range c.patterns {
		if fold && p.matchFold(s) || !fold && p.match(s) {
			return true
		}
	}
	return false
}

func (c *check) matchAddress(a netip.Addr) bool {
	for _, block := range c.blocks {
		if block.Contains(a) {
			return true
		}
	}
	return false
}

func (c *check) matchPath(path string) bool {
	for i := range c.paths {
		if c.paths[i].match(path) {
			return true
		}
	}
	return false
}

// matchHost compares the authority as it was sent, port and all. Read widely, example.com is also example.com:8080 and
// example.com. with the dot of the root: routers take them for the same host.
func (c *check) matchHost(host string) bool {
	if c.matchText(host) {
		return true
	}
	if !c.wide {
		return false
	}
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		host = host[:colon]
	}
	return c.matchText(host) || c.matchText(strings.TrimSuffix(host, "."))
}

// matchHeader reads a header that is there more than once: narrowly, every line must match (a second line rides along with
// no permission); widely, any line or any element of its comma-separated list does, since by RFC 9110 section 5.3 the list
// and the lines are the same header and anyone on the way may have joined them. Lines are never joined here.
func (c *check) matchHeader(header http.Header) bool {
	lines := header[c.header]
	if !c.wide {
		for _, line := range lines {
			if !c.matchText(line) {
				return false
			}
		}
		return len(lines) > 0
	}
	return slices.ContainsFunc(lines, c.matchLine)
}

func (c *check) matchLine(line string) bool {
	for _, p := range c.patterns {
		if p.kind == present || p.match(line) {
			return true // even an empty header is there
		}
	}
	for rest, more := line, true; more; {
		var element string
		element, rest, more = strings.Cut(rest, ",")
		if c.matchText(strings.Trim(element, " \t")) {
			return true
		}
	}
	return false
}
