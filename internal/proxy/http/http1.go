package http

import (
	"context"
	"errors"
)

func (s *Session) serveHTTP1(context.Context, *reader) error {
	return errors.New("HTTP/1.1 is not served yet")
}
