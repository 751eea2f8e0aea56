package http

import (
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// readHeaders takes in a header block: its HEADERS and as many CONTINUATION as it needs. It is always decoded, whatever
// becomes of it: both ends must keep the same table.
func (e *h2End) readHeaders(f *http2.HeadersFrame) error {
	id, end := f.StreamID, f.StreamEnded()
	if err := e.readBlock(f); err != nil {
		return err
	}
	if e.server {
		return e.session.onRequest(id, end)
	}
	return e.session.onResponse(e, id, end)
}

// readBlock decodes into e.fields. It is not left to the Framer, which takes any number of empty CONTINUATION.
func (e *h2End) readBlock(f *http2.HeadersFrame) error {
	e.fields.list, e.size, e.tooLarge = e.fields.list[:0], 0, false
	e.decoder.SetEmitEnabled(true)
	fragment, ended := f.HeaderBlockFragment(), f.HeadersEnded()
	total := 0
	for frames := 0; ; frames++ {
		if total += len(fragment); total > h2MaxHeaderBlock || frames > h2MaxContinuations {
			return h2Error{http2.ErrCodeEnhanceYourCalm, "a header block does not end"}
		}
		if _, err := e.decoder.Write(fragment); err != nil {
			return h2Error{http2.ErrCodeCompression, "a header block cannot be decoded: " + err.Error()}
		}
		if ended {
			break
		}
		next, err := e.frames.ReadFrame()
		if err != nil {
			return err
		}
		more, ok := next.(*http2.ContinuationFrame)
		if !ok {
			return h2Error{http2.ErrCodeProtocol, "a header block is interrupted"}
		}
		fragment, ended = more.HeaderBlockFragment(), more.HeadersEnded()
	}
	if err := e.decoder.Close(); err != nil {
		return h2Error{http2.ErrCodeCompression, "a header block cannot be decoded: " + err.Error()}
	}
	return nil
}

// decoded takes in one field. What is counted is its decoded size: a block of references to one large field in the table is
// small on the wire only.
func (e *h2End) decoded(f hpack.HeaderField) {
	e.size += int(f.Size())
	if e.size > maxHead || len(e.fields.list) >= maxFields {
		e.tooLarge = true
		e.decoder.SetEmitEnabled(false)
		return
	}
	e.fields.list = append(e.fields.list, f)
}

// takeFields hands over what has been decoded.
func (e *h2End) takeFields() *h2Fields {
	fields := e.fields
	e.fields = newH2Fields()
	return fields
}

// splitPseudo returns the pseudo-header fields and the others, and what is wrong with them, if anything (RFC 9113 section
// 8.2 and 8.3).
func splitPseudo(fields []hpack.HeaderField) (pseudo, regular []hpack.HeaderField, wrong string) {
	n := 0
	for n < len(fields) && fields[n].IsPseudo() {
		n++
	}
	for _, f := range fields[:n] {
		if !validValue(f.Value) {
			return nil, nil, "a pseudo-header field has a control character"
		}
	}
	for _, f := range fields[n:] {
		switch {
		case f.IsPseudo():
			return nil, nil, "a pseudo-header field stands behind others"
		case !validName(f.Name) || hasUpper(f.Name):
			return nil, nil, "the name of a header field is not a token in lower case"
		case !validValue(f.Value) || strings.Trim(f.Value, " \t") != f.Value:
			return nil, nil, "the value of a header field has a control character or space around it"
		}
	}
	return fields[:n], fields[n:], ""
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			return true
		}
	}
	return false
}

// connectionSpecific says whether a field is about a connection and so has no place in HTTP/2 (RFC 9113 section 8.2.2).
func connectionSpecific(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// trailers returns what of the decoded fields may be passed on as trailers: only what could not be taken for a header that
// was decided about. nil is nothing.
func (e *h2End) trailers() (_ *h2Fields, wrong string) {
	if e.tooLarge || e.size > maxTrailers {
		return nil, "the trailers are too large"
	}
	pseudo, regular, wrong := splitPseudo(e.fields.list)
	if wrong != "" {
		return nil, wrong
	}
	if len(pseudo) > 0 {
		return nil, "a pseudo-header field is among the trailers"
	}
	kept := regular[:0]
	for _, f := range regular {
		if newField(f.Name, f.Value).kind == plain {
			kept = append(kept, f)
		}
	}
	if len(kept) == 0 {
		return nil, ""
	}
	fields := e.takeFields()
	fields.list = kept
	return fields, ""
}

// encode is done when the block goes out and not before: the order of encoding must be the order on the wire.
func (e *h2End) encode(fields *h2Fields) []byte {
	e.block.bytes = e.block.bytes[:0]
	for _, f := range fields.list {
		e.encodeField(f)
	}
	return e.block.bytes
}

func (e *h2End) encodeField(f hpack.HeaderField) {
	_ = e.encoder.WriteField(f) // writes to memory
}

// encodeRequest encodes what the application receives.
func (e *h2End) encodeRequest(st *h2Stream) []byte {
	x := &st.exchange
	e.block.bytes = e.block.bytes[:0]
	e.encodeField(hpack.HeaderField{Name: ":method", Value: x.http.Method})
	e.encodeField(hpack.HeaderField{Name: ":scheme", Value: st.scheme})
	e.encodeField(hpack.HeaderField{Name: ":authority", Value: x.http.Host})
	e.encodeField(hpack.HeaderField{Name: ":path", Value: x.target()})
	for i := range x.fields {
		f := &x.fields[i]
		e.encodeField(hpack.HeaderField{Name: lowerName(f.name), Value: f.value, Sensitive: f.sensitive})
	}
	return e.block.bytes
}

// lowerName is the name of a field in HTTP/2. Ours are written as HTTP/1 has them, a client's are in lower case already.
func lowerName(name string) string {
	switch name {
	case nameXFCC:
		return "x-forwarded-client-cert"
	case nameRequestID:
		return "x-request-id"
	}
	return name
}
