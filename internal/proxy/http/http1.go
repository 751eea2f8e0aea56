package http

import (
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"os"
	"time"

	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// http1 serves HTTP/1 on one connection: one request after the other, each answered before the next is read.
type http1 struct {
	session *Session
	client  *reader
	out     writer
	app     *upstream
	ends    ends
	idle    idle
	watch   *watch

	x       exchange
	request request
	answer  response
	// answered: the client has been sent the beginning of a final answer.
	answered bool
	// served: the application has answered before on this connection of the client.
	served bool
}

func (s *Session) serveHTTP1(ctx context.Context, client *reader) error {
	h := &http1{session: s, client: client, out: writer{conn: s.Conn}}
	h.ends.client = s.Conn
	h.x.abort = h.ends.abort
	h.watch = newWatch(client, h.ends.abort)
	defer context.AfterFunc(ctx, h.ends.abort)()
	s.whenDraining(func() { h.idle.drain(client) })
	client.forget() // a session that drained before its first request has set a deadline to wake it
	defer h.disconnect()
	for h.awaitRequest() && h.one(ctx) {
		if s.isDraining() {
			h.leave()
			break
		}
	}
	return nil
}

// awaitRequest waits for the first bytes of a request. One empty line before it is skipped, as old clients send one after a
// body (RFC 9112 section 2.2).
func (h *http1) awaitRequest() bool {
	for skipped := false; ; {
		got := h.client.buffered()
		switch {
		case len(got) == 0, len(got) == 1 && got[0] == '\r' && !skipped:
			h.forget()
			if !h.idle.wait(h.client) {
				return false
			}
		case !skipped && got[0] == '\r' && got[1] == '\n':
			h.client.consume(2)
			skipped = true
		default:
			return true
		}
	}
}

// forget lets go of what was said in the last exchange: an idle connection holds storage and no heads.
func (h *http1) forget() {
	clear(h.request.fields)
	clear(h.answer.fields)
	h.request, h.answer = request{fields: h.request.fields[:0]}, response{fields: h.answer.fields[:0]}
	h.x.begin(time.Time{})
}

// one serves one request. false: the connection has been given up.
func (h *http1) one(ctx context.Context) bool {
	h.x.begin(time.Now())
	h.answered = false
	h.out.acquire()
	defer h.out.release()
	refused := h.read()
	if refused == nil {
		refused = h.session.prepare(&h.x, h.request.method, h.request.host, h.request.target, h.request.fields)
		h.request.fields = h.x.fields
	}
	again := false
	if refused != nil {
		h.refuse(refused, true)
	} else if refused = h.session.admit(&h.x); refused != nil {
		again = h.refuse(refused, false)
	} else {
		refused, again = h.carry(ctx)
	}
	if !again {
		h.disconnect()
	}
	h.session.end(&h.x, refused)
	if !again {
		h.leave()
	}
	return again
}

// read reads and parses the head of a request.
func (h *http1) read() *refusal {
	text, err := h.client.readHead(maxHead, func() error {
		h.client.expire(h.x.start.Add(headTimeout))
		return nil
	})
	switch {
	case err == nil:
		return h.request.parse(text)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{nethttp.StatusRequestTimeout, telemetry.Refused, ReasonTimeout,
			"the request did not arrive in time", "the head of the request did not arrive in time"}
	case errors.Is(err, errBufferFull), errors.As(err, new(malformed)):
		return refusalOf(err)
	default:
		return clientGone("the client went away in the middle of a request's head")
	}
}

// refuse answers in place of the application, and says whether another request can follow: never after the last one; else
// where the rest of this one is already here, and thrown away.
func (h *http1) refuse(r *refusal, last bool) bool {
	if r.status == 0 {
		return false
	}
	h.x.status = r.status
	if h.x.id == "" {
		h.x.id = newRequestID()
	}
	again := !last && !h.request.close && !h.session.isDraining() && h.skipBody()
	answer := response{status: r.status, reason: nethttp.StatusText(r.status), fields: []field{
		{name: "Content-Type", value: "text/plain; charset=utf-8"},
		{name: nameRequestID, value: h.x.id},
	}}
	answer.write(&h.out, framing{byLengthOf, int64(len(r.text))}, !again)
	if h.request.method != nethttp.MethodHead {
		h.out.text(r.text)
	}
	return h.out.flush() == nil && again
}

// skipBody throws the body away if all of it has been read already.
func (h *http1) skipBody() bool {
	switch body := h.request.body; body.kind {
	case noBody:
		return true
	case byLengthOf:
		if int64(len(h.client.buffered())) < body.length {
			return false
		}
		h.client.consume(int(body.length))
		return true
	default:
		return false
	}
}

// leave ends the connection in good order: the client is told that nothing follows, and what it still sends is read for a
// while, since closing with unread bytes would take the answer from it.
func (h *http1) leave() {
	half, ok := h.session.Conn.(interface{ CloseWrite() error })
	if !ok || h.ends.over() || half.CloseWrite() != nil {
		return
	}
	h.client.forget()
	h.client.expire(time.Now().Add(lingerTimeout))
	_, _ = io.CopyN(io.Discard, h.client, lingerBytes)
}
