package http

import (
	nethttp "net/http"
	"strconv"
	"strings"
)

// response is the head of the application's answer.
type response struct {
	status int
	// reason is the phrase after the status.
	reason string
	fields []field
	body   framing
	// close: the application's connection cannot be used again.
	close bool
	// upgrade is the protocol of a 101 or of a 426.
	upgrade bool
}

// parse reads the head of an answer to a request. Its fields keep their storage from the answer before.
func (r *response) parse(head string, to *request) error {
	line, lines, _ := strings.Cut(head, "\r\n")
	fields := r.fields[:0]
	*r = response{}
	old, err := r.parseLine(line)
	if err != nil {
		return err
	}
	if r.fields, err = parseFields(fields, lines, newResponseField); err != nil {
		return err
	}
	if r.body, err = framingOf(r.fields, !old); err != nil {
		return err
	}
	options, err := connectionOf(r.fields)
	if err != nil {
		return err
	}
	r.close = options.close || old
	return r.settle(to, options)
}

func newResponseField(name, value string) field {
	return field{name: name, value: value, kind: kindOf(name)}
}

func (r *response) parseLine(line string) (old bool, err error) {
	version, rest, _ := strings.Cut(line, " ")
	status, reason, _ := strings.Cut(rest, " ")
	if version != "HTTP/1.1" && version != "HTTP/1.0" {
		return false, malformed("it does not begin with a version of HTTP/1")
	}
	r.reason = reason
	if r.status, err = strconv.Atoi(status); err != nil || len(status) != 3 || r.status < 100 {
		return false, malformed("the status is not a number from 100 to 999")
	}
	if !validValue(reason) {
		return false, malformed("the reason has a control character")
	}
	return version == "HTTP/1.0", nil
}

// settle applies what the request and the status say about the body (RFC 9112 section 6.3).
func (r *response) settle(to *request, options connection) error {
	switch {
	case r.status == nethttp.StatusSwitchingProtocols:
		if !options.upgrade || to.upgrade == "" || !r.switchesTo(to.upgrade) {
			return malformed("it changes to a protocol that nobody asked for")
		}
		r.upgrade, r.body = true, framing{}
	case r.status < 200 || r.status == nethttp.StatusNoContent:
		r.body = framing{}
	case r.status == nethttp.StatusUpgradeRequired:
		r.upgrade = options.upgrade
	}
	if r.bodiless(to) {
		if r.status == nethttp.StatusNotModified && r.body.kind == byChunks {
			r.body = framing{}
		}
		return nil
	}
	if r.body.kind == noBody {
		r.body.kind, r.close = byClose, true
	}
	return nil
}

// switchesTo says whether the answer has exactly the one Upgrade that was asked for.
func (r *response) switchesTo(protocol string) bool {
	upgrades := 0
	for i := range r.fields {
		if r.fields[i].kind == fieldUpgrade {
			upgrades++
			if !strings.EqualFold(r.fields[i].value, protocol) {
				return false
			}
		}
	}
	return upgrades == 1
}

// bodiless answers end with their head, whatever length they announce.
func (r *response) bodiless(to *request) bool {
	return r.status < 200 || r.status == nethttp.StatusNoContent || r.status == nethttp.StatusNotModified ||
		to.method == nethttp.MethodHead
}

// write is the answer's head as the client receives it. body is how the body will end there.
func (r *response) write(w *writer, body framing, closing bool) {
	w.text("HTTP/1.1 ")
	w.number(int64(r.status))
	w.text(" ", r.reason, "\r\n")
	for i := range r.fields {
		f := &r.fields[i]
		switch f.kind {
		case dropped, fieldConnection, fieldContentLength, fieldTransferEncoding:
			continue
		case fieldUpgrade:
			if !r.upgrade {
				continue
			}
		default:
		}
		w.text(f.name, ": ", f.value, "\r\n")
	}
	w.framing(body)
	switch {
	case closing:
		w.text("Connection: close\r\n")
	case r.upgrade:
		w.text("Connection: Upgrade\r\n")
	}
	w.text("\r\n")
}
