package http

import (
	"bytes"
	"strings"
)

// malformed says what is wrong with a message, without repeating any of it. Requests become 400 by it, responses 502.
type malformed string

func (m malformed) Error() string { return string(m) }

// readHead reads as far as the empty line that ends a head, or a trailer section, consumes it and returns what was before
// that line: lines, each with its CRLF. It is copied once, so what is parsed of it lives as long as anybody needs it. before,
// if not nil, is called before every read that may wait; its error ends reading.
func (r *reader) readHead(limit int, before func() error) (string, error) {
	line := 0
	for {
		end, next, err := headEnd(r.buffered(), line)
		if err != nil {
			return "", err
		}
		if end > limit {
			return "", errBufferFull
		}
		if end > 0 {
			text := string(r.buffered()[:end-len("\r\n")])
			r.consume(end)
			return text, nil
		}
		line = next
		if before != nil {
			if err := before(); err != nil {
				return "", err
			}
		}
		if err := r.fill(limit); err != nil {
			return "", err
		}
	}
}

// headEnd looks at the lines of b from the one that begins at line. It returns the index after the empty line, or 0 and
// where to go on once there is more. A line feed alone ends no line for us, and does for others: it is an error.
func headEnd(b []byte, line int) (end, next int, err error) {
	for {
		n := bytes.IndexByte(b[line:], '\n')
		switch {
		case n < 0:
			return 0, line, nil
		case n == 0 || b[line+n-1] != '\r':
			return 0, 0, malformed("a line ends without a carriage return")
		case n == 1:
			return line + 2, 0, nil
		}
		line += n + 1
	}
}

// parseFields appends the fields of a head's lines. A folded line, white space before the colon and an empty name are no
// tokens, and so refused. classify makes a field of a name and a value.
func parseFields(fields []field, lines string, classify func(name, value string) field) ([]field, error) {
	for lines != "" {
		end := strings.IndexByte(lines, '\n') // after a carriage return, always: headEnd has looked
		line := lines[:end-1]
		lines = lines[end+1:]
		name, rest, found := strings.Cut(line, ":")
		if !found {
			return nil, malformed("a header line has no colon")
		}
		value := strings.Trim(rest, " \t")
		if !validName(name) {
			return nil, malformed("a header name is not a token")
		}
		if !validValue(value) {
			return nil, malformed("a header value has a control character")
		}
		if len(fields) == maxFields {
			return nil, errBufferFull
		}
		fields = append(fields, classify(name, value))
	}
	return fields, nil
}
