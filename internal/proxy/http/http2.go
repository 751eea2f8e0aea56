package http

import (
	"context"
	"errors"
)

func (s *Session) serveHTTP2(context.Context, *reader) error {
	return errors.New("HTTP/2 is not served on this port")
}
