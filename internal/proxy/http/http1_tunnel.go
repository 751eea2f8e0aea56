package http

import (
	"errors"
	"io"
	"net"
)

// tunnel passes bytes between client and application once both have agreed to speak something else. What either has sent
// already goes first. It lasts until both are done, or one has failed.
func (h *http1) tunnel() {
	h.client.forget()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.pass(h.client, &h.app.out)
	}()
	h.pass(h.app.in, &h.out)
	<-done
}

// pass carries one direction through the reader's own small buffer: tunnels are many, and quiet for most of their time.
func (h *http1) pass(from *reader, to *writer) {
	for {
		if got := from.buffered(); len(got) > 0 {
			if _, err := to.through(got); err != nil {
				h.ends.abort()
				return
			}
			from.consume(len(got))
		}
		err := from.fill(smallBuffer)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && closeWrite(to.conn):
			return
		default:
			h.ends.abort()
			return
		}
	}
}

// closeWrite passes the end of one direction on, and says whether it could.
func closeWrite(c net.Conn) bool {
	half, ok := c.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil
}
