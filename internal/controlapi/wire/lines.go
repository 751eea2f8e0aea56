package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// ErrTooLong is a line beyond the bound. What follows it cannot be understood any more.
var ErrTooLong = errors.New("line is too long")

// keptLine is the buffer that a Reader keeps for the next line, in bytes: a large configuration is rare, and a proxy is small.
const keptLine = 64 << 10

// Lines reads a body line by line.
type Lines struct {
	in      *bufio.Reader
	longest int
	line    []byte
}

// NewLines reads lines of at most so many bytes.
func NewLines(in io.Reader, longest int) *Lines {
	return &Lines{in: bufio.NewReader(in), longest: longest}
}

// Next is the next line, without its end, until the next call; io.EOF after the last. What follows the last newline is no
// line: it was cut off.
func (l *Lines) Next() ([]byte, error) {
	if cap(l.line) > keptLine {
		l.line = nil
	}
	l.line = l.line[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		if len(l.line)+len(part) > l.longest {
			return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLong, l.longest)
		}
		l.line = append(l.line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(l.line, "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// DecodeAsk decodes a line of a proxy, and DecodeTell one of the server, strictly: a field that is not known may be one that
// forbids something.
func DecodeAsk(line []byte) (*proxyconfig.Ask, error) { return decode[proxyconfig.Ask](line) }

// DecodeTell decodes a line of the server. Of a line that it cannot decode it returns the revision, where that can be read,
// so that it can be rejected.
func DecodeTell(line []byte) (*proxyconfig.Tell, error) {
	tell, err := decode[proxyconfig.Tell](line)
	if err == nil {
		return tell, nil
	}
	var some struct {
		Revision uint64 `json:"revision"`
	}
	if json.Unmarshal(line, &some) != nil {
		return nil, err
	}
	return &proxyconfig.Tell{Revision: some.Revision}, err
}

func decode[T any](line []byte) (*T, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	out := new(T)
	if err := decoder.Decode(out); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return out, nil
}

// Encode is a value as a line, with its end.
func Encode(value any) ([]byte, error) {
	line, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return append(line, '\n'), nil
}
