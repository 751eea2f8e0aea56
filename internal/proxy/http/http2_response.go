package http

import (
	"strconv"

	"golang.org/x/net/http2"
)

// h2Informational bounds the 1xx answers that wait for a client.
const h2Informational = 16

// onResponse takes in a header block of the application: an informational answer, the answer, or its trailers.
func (s *h2Session) onResponse(e *h2End, id uint32, end bool) error {
	defer s.reap()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := e.streams[id]
	if h == nil {
		return e.checkKnown(id)
	}
	st := h.stream
	if h.receivedEnd {
		return e.abort(h, http2.ErrCodeStreamClosed)
	}
	if st.answered {
		fields, wrong := e.trailers()
		if wrong == "" && !end {
			wrong = "the trailers do not end it"
		}
		if wrong != "" {
			if fields != nil {
				fields.free()
			}
			st.appFailed(badResponse(wrong))
			return nil
		}
		h.pass(fields, true)
		return nil
	}
	status, wrong := e.readStatus(end)
	if wrong == "" && st.down.queue.len() > h2Informational {
		wrong = "too many informational answers"
	}
	if wrong != "" {
		st.appFailed(badResponse(wrong))
		return nil
	}
	if status >= 200 {
		st.answered, st.exchange.status = true, status
	}
	h.pass(e.takeFields(), end)
	return nil
}

// readStatus checks what has been decoded as the head of an answer, and leaves out what belongs to a connection.
func (e *h2End) readStatus(end bool) (status int, wrong string) {
	if e.tooLarge {
		return 0, "its header fields are too large"
	}
	pseudo, regular, wrong := splitPseudo(e.fields.list)
	if wrong != "" {
		return 0, wrong
	}
	if len(pseudo) != 1 || pseudo[0].Name != ":status" || len(pseudo[0].Value) != 3 {
		return 0, "its pseudo-header fields are not one :status"
	}
	status, err := strconv.Atoi(pseudo[0].Value)
	if err != nil || status < 100 || status == 101 || status < 200 && end {
		return 0, "its status is impossible"
	}
	kept := e.fields.list[:1]
	for _, f := range regular {
		if !connectionSpecific(f.Name) {
			kept = append(kept, f)
		}
	}
	e.fields.list = kept
	return status, ""
}

// reply answers in the application's place, from what only we can know. A call of gRPC is answered in gRPC's own way; the log
// has the status of HTTP all the same.
func (st *h2Stream) reply(refused *refusal) {
	st.failed = refused
	st.answered, st.exchange.status = true, refused.status
	st.up.reset(http2.ErrCodeCancel)
	st.down.queue.discard() // informational answers
	fields, withBody := newH2Fields(), false
	if st.exchange.isGRPC() {
		fields.addRefusal(refused)
	} else {
		fields.add(":status", strconv.Itoa(refused.status))
		fields.add("content-type", "text/plain")
		fields.add("content-length", strconv.Itoa(len(refused.text)))
		withBody = !st.head && refused.text != ""
	}
	if st.exchange.id != "" {
		fields.add("x-request-id", st.exchange.id)
	}
	st.down.queue.push(h2Item{fields: fields, end: !withBody})
	if withBody {
		chunk := newH2Chunk()
		chunk.to = copy(chunk.buf[:], refused.text)
		st.down.queue.pushData(chunk, true)
	}
	st.down.end.schedule(&st.down)
	st.settle()
}
