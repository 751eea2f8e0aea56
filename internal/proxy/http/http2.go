package http

import (
	"bufio"
	"context"
)

// serveHTTP2 serves a connection that begins with the preface of HTTP/2, which is still in the reader.
func (s *Session) serveHTTP2(ctx context.Context, client *reader) error {
	client.consume(len(preface))
	in := bufio.NewReaderSize(client, smallBuffer)
	if n := len(client.buffered()); n > 0 {
		_, _ = in.Peek(n) // takes all of it over
	}
	client.release()
	h2 := newH2Session(s, in)
	s.whenDraining(h2.drain)
	defer s.whenDraining(func() {})
	return h2.serve(ctx)
}
