package sniff

import "errors"

// cursor reads TLS's own encoding front to back. After an error it stands at its end and reads zeros, so that a caller may
// look at err once.
type cursor struct {
	rest []byte
	err  error
}

func (r *cursor) skip(n int) []byte {
	if n > len(r.rest) {
		r.rest, r.err = nil, errTruncated
		return nil
	}
	skipped := r.rest[:n]
	r.rest = r.rest[n:]
	return skipped
}

func (r *cursor) uint8() uint8 {
	if b := r.skip(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *cursor) uint16() uint16 {
	if b := r.skip(2); b != nil {
		return uint16(b[0])<<8 | uint16(b[1])
	}
	return 0
}

// vector8 and vector16 are bytes behind their own number.
func (r *cursor) vector8() []byte  { return r.skip(int(r.uint8())) }
func (r *cursor) vector16() []byte { return r.skip(int(r.uint16())) }

func (r *cursor) atEnd() bool { return len(r.rest) == 0 }

// end is an error unless everything was read, and right.
func (r *cursor) end() error {
	if r.err == nil && !r.atEnd() {
		return errors.New("ClientHello: bytes left over")
	}
	return r.err
}
