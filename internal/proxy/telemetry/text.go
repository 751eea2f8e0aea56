package telemetry

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// maxText is the longest string of a line, in bytes; a longer one is cut. Hosts and paths are the peer's choice.
const maxText = 2048

// object writes a JSON object by hand, since reflection costs more than all the rest of recording an entry.
type object []byte

// key begins a member, with the comma that it needs.
func (o object) key(name string) object {
	if n := len(o); n > 0 && o[n-1] != '{' && o[n-1] != '[' {
		o = append(o, ',')
	}
	o = append(o, '"')
	o = append(o, name...)
	return append(o, `":`...)
}

// open begins a member that is an object or a list.
func (o object) open(name string, bracket byte) object { return append(o.key(name), bracket) }

// text is a member that is left out when it is empty.
func (o object) text(name, value string) object {
	if value == "" {
		return o
	}
	return o.key(name).quote(value)
}

func (o object) number(name string, value int64) object {
	return strconv.AppendInt(o.key(name), value, 10)
}

func (o object) time(name string, t time.Time) object {
	o = append(o.key(name), '"')
	o = t.UTC().AppendFormat(o, "2006-01-02T15:04:05.000Z07:00")
	return append(o, '"')
}

// quote writes a string of any bytes as valid JSON on one line. Whatever could end the line, or make a terminal or an editor
// show something else than what stands there, is escaped; what is no UTF-8 becomes U+FFFD.
func (o object) quote(s string) object {
	cut := len(s) > maxText
	if cut {
		s = s[:maxText]
	}
	o = append(o, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < 0x7f {
			if c == '"' || c == '\\' {
				o = append(o, '\\')
			}
			o = append(o, c)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case r == utf8.RuneError:
			o = append(o, `\ufffd`...)
		case deceives(r):
			o = append(o, '\\', 'u', hex(r>>12), hex(r>>8), hex(r>>4), hex(r))
		default:
			o = utf8.AppendRune(o, r)
		}
	}
	if cut {
		o = append(o, "…"...)
	}
	return append(o, '"')
}

// deceives tells control characters, line separators, and what reverses or hides text.
func deceives(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e ||
		r >= 0x2060 && r <= 0x206f || r == 0xfeff
}

func hex(r rune) byte { return "0123456789abcdef"[r&0xf] }
