package page

import (
	"regexp"
	"strings"
)

// anything is what pages write for what differs or does not matter: in a word for a part of it, by itself for any number of
// words and lines.
const anything = "…"

// differing are the things that are other ones each time: a page shows one of them, and any of its kind is as good.
var differing = []string{
	`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`, // UUIDs
	`\b[0-9a-f]{64}\b`, // hashes
	`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`,                             // times
	`\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`,                                    // addresses, with a port or without
	`-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b`, // what a Deployment adds to its pods' names
	`\b(?:\d+d)?(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?[smhd]\b`,                      // ages
}

// cutHash is a hash of which a page shows the beginning.
var cutHash = regexp.MustCompile(`\b[0-9a-f]{8}` + anything)

var differs = regexp.MustCompile(strings.Join(differing, "|"))

// Matches tells whether a program printed what a page shows. Words count, and the space between them does not: columns are as
// wide as their content, and text is wrapped where lines are full.
func Matches(shown, printed string) bool {
	var pattern strings.Builder
	for _, word := range strings.Fields(cutHash.ReplaceAllString(shown, anything)) {
		if word == anything {
			pattern.WriteString(`(?: \S+)*`)
			continue
		}
		pattern.WriteByte(' ')
		for i, part := range strings.Split(word, anything) {
			if i > 0 {
				pattern.WriteString(`\S*`)
			}
			pattern.WriteString(alike(part))
		}
	}
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(spaced(printed))
}

// spaced has one space before each word and no other.
func spaced(text string) string {
	var out strings.Builder
	for word := range strings.FieldsSeq(text) {
		out.WriteString(" " + word)
	}
	return out.String()
}

// alike is a pattern for a text and those that differ from it in what is another each time.
func alike(text string) string {
	var pattern strings.Builder
	for {
		at := differs.FindStringIndex(text)
		if at == nil {
			return pattern.String() + regexp.QuoteMeta(text)
		}
		pattern.WriteString(regexp.QuoteMeta(text[:at[0]]))
		for _, kind := range differing {
			if regexp.MustCompile(`^(?:` + kind + `)$`).MatchString(text[at[0]:at[1]]) {
				pattern.WriteString(kind)
				break
			}
		}
		text = text[at[1]:]
	}
}
