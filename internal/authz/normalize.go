package authz

import (
	"errors"
	"strings"
)

// Errors of NormalizePath. The answer to each is 400: nothing that a browser or a client library makes has them.
var (
	ErrPathNotAbsolute = errors.New("the path does not begin with /")
	ErrPathEscape      = errors.New("the path has a % that is not followed by two hexadecimal digits")
	ErrPathControl     = errors.New("the path has a control character")
	ErrPathDotParams   = errors.New("the path has a dot segment with parameters")
)

// NormalizePath turns the path of a request target into the one form that the decision sees and the application receives.
// The proxy sends on what this returned, followed by the query exactly as it came: wherever decision and application read a
// path differently, there is a bypass.
//
//   - Everything from the first ? or # on is cut off. An empty path is /.
//   - %xx of an unreserved character is decoded, %2F, %5C and \ become /, any other %xx is written in upper case, and a
//     character that has no place in a path (RFC 3986 section 3.3) is escaped.
//   - Dot segments are resolved first, then runs of slashes become one. (The order is the model's: /app//../admin is
//     /app/admin.)
//   - Control characters, escaped or not, bad escapes, a path that does not begin with / and a dot segment with
//     parameters (..;x, which some servers resolve as ..) are errors.
//
// Left alone are what the application may read in its own way: double escapes (%252e), overlong UTF-8 (%C0%AE), other
// ;parameters, upper and lower case. Normalising twice changes nothing. A path that is normal already costs no allocation.
func NormalizePath(raw string) (string, error) {
	if end := strings.IndexAny(raw, "?#"); end >= 0 {
		raw = raw[:end]
	}
	if raw == "" {
		return "/", nil
	}
	if raw[0] != '/' {
		return "", ErrPathNotAbsolute
	}
	if isNormal(raw) {
		return raw, nil
	}
	path, err := canonicalBytes(raw)
	if err != nil {
		return "", err
	}
	return resolveSegments(path)
}

// isNormal may say no to a path that is normal, never yes to one that is not.
func isNormal(path string) bool {
	for i := range len(path) {
		if !pathByte(path[i]) {
			return false
		}
		if path[i] == '/' && i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
			return false
		}
	}
	return true
}

// canonicalBytes gives every character its one spelling; it knows nothing of segments.
func canonicalBytes(s string) (string, error) {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c, escaped := s[i], s[i] == '%'
		if escaped {
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return "", ErrPathEscape
			}
			c = byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		}
		switch {
		case c < ' ' || c == 0x7f:
			return "", ErrPathControl
		case c == '/' || c == '\\':
			out = append(out, '/')
		case unreserved(c) || !escaped && pathByte(c):
			out = append(out, c)
		default:
			out = append(out, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(out), nil
}

// resolveSegments removes dot segments (RFC 3986 section 5.2.4) and then empty ones.
func resolveSegments(path string) (string, error) {
	var kept []string
	segments := strings.Split(path[1:], "/")
	for i, segment := range segments {
		name, _, params := strings.Cut(segment, ";")
		dots := name == "." || name == ".."
		if dots && params {
			return "", ErrPathDotParams
		}
		if segment == ".." && len(kept) > 0 {
			kept = kept[:len(kept)-1]
		}
		switch {
		case !dots:
			kept = append(kept, segment)
		case i == len(segments)-1:
			kept = append(kept, "") // /a/.. is a folder: /
		}
	}
	var out strings.Builder
	for i, segment := range kept {
		if segment != "" || i == len(kept)-1 {
			out.WriteByte('/')
			out.WriteString(segment)
		}
	}
	return out.String(), nil
}

// unreserved characters mean the same with and without escape (RFC 3986 section 2.3).
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// pathByte are the characters that a path may have without escape (RFC 3986 section 3.3).
func pathByte(c byte) bool {
	return unreserved(c) || strings.IndexByte("!$&'()*+,;=:@/", c) >= 0
}

// unhex is the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
