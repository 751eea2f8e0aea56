package http

import (
	nethttp "net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// onRequest takes in a header block of the client: a new request, or the trailers of one.
func (s *h2Session) onRequest(id uint32, end bool) error {
	defer s.reap()
	if isNew, err := s.place(id, end); !isNew || err != nil {
		return err
	}
	s.begin(id, end)
	return nil
}

// place says whether a header block begins a request, and deals with it where it does not.
func (s *h2Session) place(id uint32, end bool) (isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.down.streams[id]
	switch {
	case id%2 == 0:
		return false, h2Error{http2.ErrCodeProtocol, "a client opens streams with odd numbers"}
	case h != nil:
		err = s.onTrailers(h, end)
	case id > s.down.lastID:
		s.down.lastID = id
		isNew, err = s.hasRoom(id)
	default: // the stream has ended, and the client did not know it yet
	}
	if err == nil {
		err = s.down.checkControl()
	}
	return isNew, err
}

// hasRoom refuses a new stream where there is no room for it, in a way that lets the client try again elsewhere.
func (s *h2Session) hasRoom(id uint32) (bool, error) {
	if !s.last && len(s.down.streams) < maxStreams {
		s.down.budget.earn(h2FrameEarned)
		return true, nil
	}
	if !s.resets.spend(time.Now()) {
		return false, h2Error{http2.ErrCodeEnhanceYourCalm, "too many streams were opened beyond the limit"}
	}
	return false, s.down.frames.WriteRSTStream(id, http2.ErrCodeRefusedStream)
}

// begin reads and decides a request, without the mutex.
func (s *h2Session) begin(id uint32, end bool) {
	st := &h2Stream{session: s, declared: -1}
	st.exchange.begin(time.Now())
	refused := s.readRequest(st, end)
	if refused == nil {
		st.exchange.abort = st.revoke
		refused = s.session.admit(&st.exchange)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.down = h2Half{
		end: s.down, stream: st, other: &st.up, id: id,
		send: s.down.initialSend, window: h2Window{left: h2StreamWindow}, receivedEnd: end,
	}
	st.up = h2Half{stream: st, other: &st.down, window: h2Window{left: h2StreamWindow}}
	if len(s.down.streams) == 0 {
		s.idle.Stop()
	}
	s.down.streams[id] = &st.down
	switch {
	case s.closed:
		st.abandon()
	case refused != nil:
		st.reply(refused)
	case st.exchange.revoked.Load(): // between the decision and now
		st.end()
	default:
		st.up.queue.push(h2Item{request: true, end: end})
		s.assign(st)
	}
}

// readRequest reads what has been decoded as a request.
func (s *h2Session) readRequest(st *h2Stream, end bool) *refusal {
	e := s.down
	pseudo, regular, wrong := splitPseudo(e.fields.list)
	if wrong != "" {
		return badRequest(wrong)
	}
	head, wrong := readPseudo(pseudo)
	if wrong != "" {
		return badRequest(wrong)
	}
	st.head, st.scheme = head.method == nethttp.MethodHead, head.scheme
	x := &st.exchange
	x.http.Method, x.http.Host = head.method, head.authority // for the log, should it be refused
	if e.tooLarge {
		return tooLarge(nethttp.StatusRequestHeaderFieldsTooLarge, "the header fields are too large")
	}
	if head.method == nethttp.MethodConnect {
		return notSupported(nethttp.StatusMethodNotAllowed, "CONNECT is not supported")
	}
	if head.scheme != "http" && head.scheme != "https" {
		return badRequest("the scheme is neither http nor https")
	}
	fields, wrong := st.readFields(regular, &head)
	if wrong == "" && end && st.declared > 0 {
		wrong = "there is no body of the length that was declared"
	}
	if wrong != "" {
		return badRequest(wrong)
	}
	if head.path == "" || head.path[0] != '/' {
		return badRequest("the path does not begin with /")
	}
	return s.session.prepare(x, head.method, head.authority, head.path, fields)
}

// requestHead are the pseudo-header fields of a request.
type requestHead struct{ method, scheme, authority, path string }

// readPseudo takes each at most once, and no unknown one. Extended CONNECT was not offered.
func readPseudo(pseudo []hpack.HeaderField) (head requestHead, wrong string) {
	for _, f := range pseudo {
		var to *string
		switch f.Name {
		case ":method":
			to = &head.method
		case ":scheme":
			to = &head.scheme
		case ":authority":
			to = &head.authority
		case ":path":
			to = &head.path
		default:
			return head, "a pseudo-header field is unknown"
		}
		if *to != "" || f.Value == "" {
			return head, "a pseudo-header field is empty or there more than once"
		}
		*to = f.Value
	}
	if head.method == "" {
		return head, "there is no :method"
	}
	return head, ""
}

// readFields classifies the fields. The Host of a request that came from HTTP/1 may stand for :authority, and must not say
// anything else.
func (st *h2Stream) readFields(regular []hpack.HeaderField, head *requestHead) (fields []field, wrong string) {
	fields = make([]field, 0, len(regular)+2) // and ours
	hosts := 0
	for _, f := range regular {
		if connectionSpecific(f.Name) {
			return nil, "a header field is about a connection, which has no place in HTTP/2"
		}
		in := newField(f.Name, f.Value)
		in.sensitive = f.Sensitive
		switch in.kind {
		case fieldHost:
			if hosts++; hosts > 1 || head.authority != "" && head.authority != f.Value {
				return nil, "the request names more than one host"
			}
			head.authority = f.Value
			continue
		case fieldTE:
			if f.Value != "trailers" {
				return nil, "te may say trailers and nothing else"
			}
		case fieldContentLength:
			if st.declared >= 0 {
				return nil, "content-length is there more than once"
			}
			if st.declared = parseLength(f.Value); st.declared < 0 {
				return nil, "content-length is not a number"
			}
		default:
		}
		fields = append(fields, in)
	}
	return fields, ""
}

// parseLength is -1 for what is not a plain decimal number.
func parseLength(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 63) // no sign, no underscores
	if err != nil {
		return -1
	}
	return int64(n)
}

// onTrailers passes on the trailers of a request.
func (s *h2Session) onTrailers(h *h2Half, end bool) error {
	fields, wrong := s.down.trailers()
	if wrong == "" && !end {
		wrong = "the trailers do not end the request"
	}
	if h.receivedEnd {
		wrong = "the request has ended"
	}
	if wrong != "" || !h.stream.takeBody(0, true) {
		if fields != nil {
			fields.free()
		}
		return s.down.abort(h, http2.ErrCodeProtocol)
	}
	h.pass(fields, true)
	return nil
}
