package http

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
)

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// maxChunkLine bounds the line before a chunk, in bytes: the size and extensions, which nobody sends.
const maxChunkLine = 1 << 10

// transfer carries one body from one connection to another. It holds no more of it than its buffers.
type transfer struct {
	from *reader
	to   *writer
	in   framing
	// chunks: the body goes on in chunks, where it came in them.
	chunks bool
	// before is called before a read that may wait; nil for none.
	before func() error
}

// run carries the whole body and flushes it. An error is the writer's if that has one, and the reader's otherwise.
func (t *transfer) run() error {
	var err error
	switch t.in.kind {
	case noBody:
	case byLengthOf:
		err = t.bytes(t.in.length)
	case byChunks:
		err = t.chunked()
	case byClose:
		if err = t.bytes(1<<63 - 1); errors.Is(err, io.ErrUnexpectedEOF) {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	return t.to.flush()
}

// wait is called before a read that may take long: what was collected must not wait with it.
func (t *transfer) wait() error {
	if t.before != nil {
		if err := t.before(); err != nil {
			return err
		}
	}
	return t.to.flush()
}

// bytes carries exactly n bytes.
func (t *transfer) bytes(n int64) error {
	if got := t.from.buffered(); len(got) > 0 && n > 0 {
		some := int(min(n, int64(len(got))))
		if _, err := t.to.Write(got[:some]); err != nil {
			return err
		}
		t.from.consume(some)
		n -= int64(some)
	}
	if n == 0 {
		return nil
	}
	large := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(large)
	for n > 0 {
		if err := t.wait(); err != nil {
			return err
		}
		some, err := t.from.Read(large[:min(n, copyBuffer)])
		if _, err := t.to.Write(large[:some]); err != nil {
			return err
		}
		n -= int64(some)
		if err != nil && n > 0 {
			return unexpected(err)
		}
	}
	return nil
}

// chunked carries chunks and trailers. Sizes are written anew and extensions left out, so both ends read the same.
func (t *transfer) chunked() error {
	for {
		size, err := t.chunkSize()
		if err != nil {
			return err
		}
		if size == 0 {
			return t.trailers()
		}
		if t.chunks {
			t.to.buf = strconv.AppendInt(t.to.buf, size, 16)
			t.to.text("\r\n")
		}
		if err := t.bytes(size); err != nil {
			return err
		}
		if err := t.chunkEnd(); err != nil {
			return err
		}
		if t.chunks {
			t.to.text("\r\n")
		}
	}
}

func (t *transfer) chunkSize() (int64, error) {
	for {
		if end := bytes.IndexByte(t.from.buffered(), '\n'); end >= 0 {
			size, err := parseChunkSize(string(t.from.buffered()[:end+1]))
			t.from.consume(end + 1)
			return size, err
		}
		if len(t.from.buffered()) >= maxChunkLine {
			return 0, malformed("the line before a chunk is too long")
		}
		if err := t.more(); err != nil {
			return 0, err
		}
	}
}

// parseChunkSize takes hexadecimal digits, and extensions after a semicolon.
func parseChunkSize(line string) (int64, error) {
	text, ended := strings.CutSuffix(line, "\r\n")
	digits, extensions, _ := strings.Cut(text, ";")
	size, err := strconv.ParseUint(digits, 16, 63)
	if !ended || err != nil || digits[0] == '+' || len(line) > maxChunkLine || !validValue(extensions) {
		return 0, malformed("the size of a chunk is not a hexadecimal number on a line of its own")
	}
	return int64(size), nil
}

func (t *transfer) chunkEnd() error {
	for len(t.from.buffered()) < 2 {
		if err := t.more(); err != nil {
			return err
		}
	}
	if string(t.from.buffered()[:2]) != "\r\n" {
		return malformed("a chunk does not end where it said")
	}
	t.from.consume(2)
	return nil
}

func (t *transfer) more() error {
	if err := t.wait(); err != nil {
		return err
	}
	return unexpected(t.from.fill(smallBuffer))
}

// trailers carries the trailer section under the rules of a header, and only what is plain: a trailer frames and routes
// nothing, and proves nobody's identity.
func (t *transfer) trailers() error {
	lines, err := t.from.readHead(maxTrailers, t.wait)
	if err != nil {
		return unexpected(err)
	}
	fields, err := parseFields(nil, lines, newField)
	if err != nil || !t.chunks {
		return err
	}
	t.to.text("0\r\n")
	for _, f := range fields {
		if f.kind == plain {
			t.to.text(f.name, ": ", f.value, "\r\n")
		}
	}
	t.to.text("\r\n")
	return nil
}

// unexpected makes an end in the middle an error of its own.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
