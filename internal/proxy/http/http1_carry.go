package http

import (
	"context"
	"errors"
	nethttp "net/http"
)

// carry takes an admitted request to the application and the answer back. It says what went wrong, and whether another
// request can follow.
func (h *http1) carry(ctx context.Context) (*refusal, bool) {
	for {
		if err := h.connect(ctx); err != nil {
			return h.unreached(err)
		}
		up, err := h.send()
		if err == nil {
			err = h.receive(up)
		}
		if err == nil || !h.stale() {
			return h.conclude(up, err)
		}
		h.watch.stop()
		h.disconnect()
	}
}

// unreached ends a request for which there is no connection to the application. Where it has answered before, it is about to end,
// and would have closed the client's connection had it been its own: so that is done, and the client asks again on another one,
// which leads to a pod that stays (RFC 9110 section 9.2.2). What must not be asked twice gets an answer.
func (h *http1) unreached(err error) (*refusal, bool) {
	refused := unreachable(err)
	if h.served && h.request.idempotent() {
		refused.status = 0
		return refused, false
	}
	return refused, h.refuse(refused, false)
}

// stale says of a failed exchange that the application had closed the connection before it, and that another try hurts
// nobody. It is the last: the next connection is new.
func (h *http1) stale() bool {
	return h.app.used && h.app.in.read == 0 && h.request.idempotent() && !h.ends.over()
}

// send writes the request, with its body where that is here already. The rest of a longer body goes on while the answer
// comes.
func (h *http1) send() (*upload, error) {
	h.request.write(&h.app.out, &h.x)
	body := h.request.body
	if body.kind == byChunks || body.kind == byLengthOf && body.length > int64(len(h.client.buffered())) {
		if err := h.app.out.flush(); err != nil {
			return nil, err
		}
		return h.startUpload(), nil
	}
	t := transfer{from: h.client, to: &h.app.out, in: body}
	if err := t.run(); err != nil {
		return nil, err
	}
	h.watch.start()
	return nil, nil
}

// receive carries the answer: interim ones, the final head, and its body.
func (h *http1) receive(up *upload) error {
	for final := false; !final; {
		text, err := h.app.in.readHead(maxHead, nil)
		if err != nil {
			return unexpected(err)
		}
		if err := h.answer.parse(text, &h.request); err != nil {
			return err
		}
		final = h.answer.status >= nethttp.StatusOK || h.answer.status == nethttp.StatusSwitchingProtocols
		if final {
			break
		}
		if err := h.interim(); err != nil {
			return err
		}
	}
	return h.final(up)
}

// interim passes 1xx answers on; a client that speaks HTTP/1.0 knows none.
func (h *http1) interim() error {
	if h.request.old {
		return nil
	}
	if h.answer.status == nethttp.StatusContinue {
		h.request.expects = false
	}
	h.answer.write(&h.out, framing{}, false)
	return h.out.flush()
}

func (h *http1) final(up *upload) error {
	h.x.status, h.answered = h.answer.status, true
	body, bodiless := h.answer.body, h.answer.bodiless(&h.request)
	if body.kind == byChunks && h.request.old {
		body.kind = byClose
	}
	// A client that still waits to be told to send its body might send it or not: what comes next could be either, and
	// nothing of it is read. That has to end before the client learns of the answer: what it sends then would still be taken
	// for the body, and for a request by an application that has done with this one.
	h.request.expects = h.request.expects && up.stop()
	h.request.close = h.request.close || body.kind == byClose && !bodiless || h.request.expects || h.session.isDraining()
	switched := h.answer.status == nethttp.StatusSwitchingProtocols
	h.answer.write(&h.out, body, h.request.close && !switched)
	if bodiless {
		return h.out.flush()
	}
	t := transfer{from: h.app.in, to: &h.out, in: h.answer.body, chunks: body.kind == byChunks}
	return t.run()
}

// conclude ends an exchange whose answer has been carried, or could not be.
func (h *http1) conclude(up *upload, err error) (*refusal, bool) {
	if err != nil || h.request.expects {
		up.cut()
	}
	sent := up.wait()
	h.watch.stop()
	switch {
	case err != nil:
		return h.fail(h.failure(err, sent)), false
	case h.answer.status == nethttp.StatusSwitchingProtocols:
		h.tunnel()
		return nil, false
	case sent != nil:
		return nil, false //nolint:nilerr // the application did not want all of the request, and has answered
	}
	h.served = true
	if h.answer.close || len(h.app.in.buffered()) > 0 {
		h.disconnect()
	} else {
		h.count()
		h.app.rest()
	}
	return nil, !h.request.close
}

// failure says whose fault it was that an exchange has failed. Status 0 means that there is nobody to tell.
func (h *http1) failure(err, sent error) *refusal {
	var wrong malformed
	switch {
	case h.out.err != nil || h.ends.over():
		return clientGone("the connection ended before the answer did")
	case errors.As(sent, &wrong):
		return badRequest("in the body, " + string(wrong))
	case sent != nil && !errors.Is(sent, errCut) && h.app.out.err == nil:
		return clientGone("the client went away in the middle of its request")
	case errors.As(err, &wrong):
		return badResponse(string(wrong))
	case errors.Is(err, errBufferFull):
		return badResponse("its header is too large")
	default:
		return brokenOff(err)
	}
}

// fail tells the client, if there is one that has not been sent half an answer.
func (h *http1) fail(failed *refusal) *refusal {
	if h.answered || failed.status == 0 {
		_ = h.out.flush() // all there is, before the end that it must not be taken for
		h.ends.abort()
		return failed
	}
	h.disconnect()
	h.refuse(failed, true)
	return failed
}
