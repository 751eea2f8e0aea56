package authz

import (
	"fmt"
	"strings"
)

// The operators of a path template.
const (
	oneSegment  = "{*}"  // one segment, not empty
	anySegments = "{**}" // any number of characters, slashes too
)

// pathPattern is one value of paths: a pattern, or a template when literals is set.
type pathPattern struct {
	pattern
	// literals are the texts before, between and after each {*}.
	literals []string
	// open: {**} follows the last literal, and tail follows {**}.
	open bool
	tail string
}

// ValidatePath checks a value of paths.
func ValidatePath(value string) error {
	_, err := parsePath(value)
	return err
}

func parsePath(value string) (pathPattern, error) {
	if strings.ContainsAny(value, "{}") {
		return parseTemplate(value)
	}
	p, err := parsePattern(value)
	p.text = canonicalLiteral(p.text)
	return pathPattern{pattern: p}, err
}

// PathNeverMatches is true of a value that no path equals once it is normalised, such as //admin, /a/../b, healthz without
// its slash, or one with a query. It is legal, and a DENY that has it protects nothing.
func PathNeverMatches(value string) bool {
	sample := value
	if rest, ok := strings.CutPrefix(value, "*"); ok {
		sample = "/x" + rest
	}
	sample = strings.NewReplacer(anySegments, "x", oneSegment, "x", "*", "x").Replace(sample)
	normal, err := NormalizePath(sample)
	return err != nil || normal != canonicalLiteral(sample)
}

// canonicalLiteral spells the text of a policy as NormalizePath spells a path, so that /caf%c3%a9 and /café are what they
// look like. A text without such a spelling stays as it is and equals no path.
func canonicalLiteral(text string) string {
	if canonical, err := canonicalBytes(text); err == nil {
		return canonical
	}
	return text
}

// parseTemplate accepts what the model accepts: operators are whole segments, {**} is the last of them and may be followed
// by literal segments.
func parseTemplate(value string) (pathPattern, error) {
	var t pathPattern
	segments := strings.Split(value, "/")
	if segments[0] != "" {
		return t, fmt.Errorf("path template %q must begin with /", value)
	}
	literal := ""
	for i, segment := range segments[1:] {
		literal += "/"
		switch {
		case segment != oneSegment && segment != anySegments:
			if !validLiteral(segment) || segment == "" && i != len(segments)-2 {
				return t, fmt.Errorf("path template %q: segment %q is neither {*}, {**} nor a plain path segment", value, segment)
			}
			literal += canonicalLiteral(segment)
		case t.open:
			return t, fmt.Errorf("path template %q: {**} must be the last operator", value)
		default:
			t.literals, literal = append(t.literals, literal), ""
			t.open = segment == anySegments
		}
	}
	if t.open {
		t.tail = literal
	} else {
		t.literals = append(t.literals, literal)
	}
	return t, nil
}

func validLiteral(segment string) bool {
	for i := range len(segment) {
		if c := segment[i]; c == '*' || c != '%' && !pathByte(c) {
			return false
		}
	}
	return true
}

// match compares a normalised path.
func (p *pathPattern) match(path string) bool {
	if p.literals == nil {
		return p.pattern.match(path)
	}
	for i, literal := range p.literals {
		if i > 0 {
			if path == "" || path[0] == '/' {
				return false
			}
			path = path[segmentLength(path):]
		}
		var ok bool
		if path, ok = strings.CutPrefix(path, literal); !ok {
			return false
		}
	}
	if p.open {
		return strings.HasSuffix(path, p.tail)
	}
	return path == ""
}

func segmentLength(path string) int {
	if n := strings.IndexByte(path, '/'); n >= 0 {
		return n
	}
	return len(path)
}
