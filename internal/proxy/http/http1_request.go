package http

import (
	"errors"
	nethttp "net/http"
	"strings"
)

// request is the head of an HTTP/1 request.
type request struct {
	method, target, host string
	fields               []field
	body                 framing
	// old: the client speaks HTTP/1.0. It gets one answer, without chunks, and no other.
	old bool
	// close: the client wants no second answer.
	close bool
	// upgrade is the protocol that the client wants to change to; "" where it does not.
	upgrade string
	// expects: the client waits for 100 (Continue) before it sends the body.
	expects bool
}

// parse reads a head. Its fields keep their storage from the request before.
func (r *request) parse(head string) *refusal {
	line, lines, _ := strings.Cut(head, "\r\n")
	fields := r.fields[:0]
	*r = request{}
	if refused := r.parseLine(line); refused != nil {
		return refused
	}
	var err error
	if r.fields, err = parseFields(fields, lines, newField); err != nil {
		return refusalOf(err)
	}
	if r.body, err = framingOf(r.fields, !r.old); err != nil {
		return refusalOf(err)
	}
	options, err := connectionOf(r.fields)
	if err != nil {
		return refusalOf(err)
	}
	r.close = options.close || r.old
	if refused := r.parseHost(); refused != nil {
		return refused
	}
	r.parseUpgrade(options)
	return r.parseExpect()
}

// refusalOf is the answer to a head that could not be read.
func refusalOf(err error) *refusal {
	if errors.Is(err, errBufferFull) {
		return tooLarge(nethttp.StatusRequestHeaderFieldsTooLarge, "the header is too large")
	}
	return badRequest(err.Error())
}

func (r *request) parseLine(line string) *refusal {
	method, rest, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(rest, " ")
	r.method, r.target = method, target
	switch {
	case !validName(method) || target == "":
		return badRequest("the request line is not method, target, version")
	case version == "HTTP/1.1":
	case version == "HTTP/1.0":
		r.old = true
	case len(version) == len("HTTP/1.1") && strings.HasPrefix(version, "HTTP/"):
		return notSupported(nethttp.StatusHTTPVersionNotSupported, "this version of HTTP is not supported")
	default:
		return badRequest("the request line is not method, target, version")
	}
	if method == nethttp.MethodConnect {
		return notSupported(nethttp.StatusMethodNotAllowed, "CONNECT is not supported")
	}
	return nil
}

// parseHost wants exactly one Host, and the same where the target has one of its own. The application receives the target
// without it.
func (r *request) parseHost() *refusal {
	hosts := 0
	for i := range r.fields {
		if r.fields[i].kind == fieldHost {
			hosts++
			r.host = r.fields[i].value
		}
	}
	if hosts != 1 {
		return badRequest("a request has exactly one Host")
	}
	if r.target[0] == '/' {
		return nil
	}
	scheme, rest, absolute := strings.Cut(r.target, "://")
	if !absolute || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return badRequest("the request target is neither a path nor an http URL")
	}
	authority, path := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, path = rest[:end], rest[end:]
	}
	if !strings.EqualFold(authority, r.host) {
		return badRequest("the request target and Host name different hosts")
	}
	r.target = path
	return nil
}

func (r *request) parseExpect() *refusal {
	for i := range r.fields {
		f := &r.fields[i]
		switch {
		case f.kind != fieldExpect:
		case r.old:
			f.kind = dropped // RFC 9110 section 10.1.1: HTTP/1.0 does not wait
		case !strings.EqualFold(f.value, "100-continue"):
			return notSupported(nethttp.StatusExpectationFailed, "only 100-continue can be expected")
		default:
			r.expects = true
		}
	}
	return nil
}

// parseUpgrade keeps the wish for one other protocol that needs no body. Any other wish is not passed on, and what is left is
// a request like all others (RFC 9110 section 7.8). curl, Java's and Apache's clients ask for HTTP/2 or TLS without being
// told to.
func (r *request) parseUpgrade(options connection) {
	var wish *field
	wishes := 0
	for i := range r.fields {
		if f := &r.fields[i]; f.kind == fieldUpgrade {
			f.kind = dropped
			wish = f
			wishes++
		}
	}
	bodiless := r.body.kind == noBody || r.body == framing{kind: byLengthOf}
	if wishes == 1 && options.upgrade && !r.old && bodiless && isProtocol(wish.value) && !carriesRequests(wish.value) {
		wish.kind, r.upgrade = fieldUpgrade, wish.value
	}
}

// isProtocol says whether an Upgrade names one protocol, and no list of them.
func isProtocol(s string) bool {
	name, version, versioned := strings.Cut(s, "/")
	return validName(name) && (!versioned || validName(version))
}

// carriesRequests knows the protocols in which further requests would pass undecided: h2c, HTTP/2.0 and their like, and TLS,
// in which an application goes on with HTTP (RFC 2817).
func carriesRequests(protocol string) bool {
	lower := strings.ToLower(protocol)
	for _, prefix := range []string{"h2", "h3", "http", "tls"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return false
}

// idempotent says whether a request may be sent a second time (RFC 9110 section 9.2.2).
func (r *request) idempotent() bool {
	switch r.method {
	case nethttp.MethodGet, nethttp.MethodHead, nethttp.MethodOptions, nethttp.MethodTrace, nethttp.MethodPut, nethttp.MethodDelete:
		return r.body.kind == noBody && r.upgrade == ""
	}
	return false
}

// write is the request as the application receives it: every byte of it comes from what was parsed.
func (r *request) write(w *writer, x *exchange) {
	w.text(r.method, " ", x.http.Path, x.query, " HTTP/1.1\r\nHost: ", r.host, "\r\n")
	te := false
	for i := range x.fields {
		f := &x.fields[i]
		switch f.kind {
		case fieldContentLength:
			continue
		case fieldTE:
			te = true
		default:
		}
		w.text(f.name, ": ", f.value, "\r\n")
	}
	w.framing(r.body)
	switch {
	case r.upgrade != "" && te:
		w.text("Connection: Upgrade, TE\r\n")
	case r.upgrade != "":
		w.text("Connection: Upgrade\r\n")
	case te:
		w.text("Connection: TE\r\n")
	}
	w.text("\r\n")
}
