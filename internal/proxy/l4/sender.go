package l4

import "syscall"

// sender sends over a socket and waits only where the socket's buffer is full. It is used by one goroutine at a time.
type sender struct {
	raw syscall.RawConn

	// Of the send under way. They are fields, and try is made once, so that sending allocates nothing.
	try  func(fd uintptr) bool
	left []byte
	err  error
}

func newSender(raw syscall.RawConn) *sender {
	s := &sender{raw: raw}
	s.try = s.trySend
	return s
}

// send sends all of it.
func (s *sender) send(p []byte) error {
	s.left, s.err = p, nil
	err := s.raw.Write(s.try)
	s.left = nil
	if err != nil {
		return err
	}
	return s.err
}

// trySend is called when there may be room, and says whether there was enough, or never will be.
func (s *sender) trySend(fd uintptr) bool {
	for len(s.left) > 0 {
		n, err := writeNow(fd, s.left)
		if err == syscall.EAGAIN { //nolint:errorlint // of the kernel, unwrapped
			return false
		}
		if err != nil {
			s.err = err
			return true
		}
		s.left = s.left[n:]
	}
	return true
}
