package authz

import (
	"errors"
	"fmt"
	"strings"
)

// pattern is one value of a string field: a literal, or one with a single * at its beginning or its end.
type pattern struct {
	kind patternKind
	text string // without the *
}

type patternKind uint8

const (
	exact   patternKind = iota // abc
	prefix                     // abc*
	suffix                     // *abc
	present                    // *
)

var errEmptyValue = errors.New("a value must not be empty")

// ValidatePattern checks a value of hosts, methods, request.headers and connection.sni.
func ValidatePattern(value string) error {
	_, err := parsePattern(value)
	return err
}

// parsePattern refuses a * anywhere but at one end: the model takes such a value literally, so that a rule which looks
// like a pattern silently matches nothing.
func parsePattern(value string) (pattern, error) {
	p := pattern{text: value}
	switch {
	case value == "":
		return p, errEmptyValue
	case value == "*":
		return pattern{kind: present}, nil
	case strings.HasSuffix(value, "*"):
		p = pattern{prefix, value[:len(value)-1]}
	case strings.HasPrefix(value, "*"):
		p = pattern{suffix, value[1:]}
	}
	if strings.Contains(p.text, "*") {
		return p, fmt.Errorf("%q: a * may only be the first or the last character: list the values, or widen the pattern", value)
	}
	return p, nil
}

// match never matches the empty string: an absent attribute matches nothing.
func (p pattern) match(s string) bool {
	switch p.kind {
	case exact:
		return s == p.text
	case prefix:
		return strings.HasPrefix(s, p.text)
	case suffix:
		return strings.HasSuffix(s, p.text)
	default:
		return s != ""
	}
}

// folded is the pattern for matchFold.
func (p pattern) folded() pattern {
	b := []byte(p.text)
	for i, c := range b {
		b[i] = lower(c)
	}
	return pattern{p.kind, string(b)}
}

// matchFold is match for names in which case means nothing. Only ASCII letters fold: Unicode folding would make K equal to
// the Kelvin sign, which no DNS name does.
func (p pattern) matchFold(s string) bool {
	n := len(p.text)
	switch p.kind {
	case exact:
		return equalFold(s, p.text)
	case prefix:
		return len(s) >= n && equalFold(s[:n], p.text)
	case suffix:
		return len(s) >= n && equalFold(s[len(s)-n:], p.text)
	default:
		return s != ""
	}
}

// equalFold compares s with a text that is already in lower case.
func equalFold(s, text string) bool {
	if len(s) != len(text) {
		return false
	}
	for i := range len(s) {
		if lower(s[i]) != text[i] {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
