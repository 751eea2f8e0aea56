package page

import (
	"regexp"
	"strings"
)

// prompt is before each command of a block that shows answers, too.
const prompt = "$ "

// Command is what is typed, and what is shown below it.
type Command struct {
	// Line is where it begins on the page, from 1.
	Line int
	// Text is what is typed, in one line or several.
	Text string
	// Shown is the answer, where Prompted says that the block shows answers.
	Shown    string
	Prompted bool
}

// Commands are those of a block of commands, in one of two forms: a block in which a line begins with a prompt has a prompt
// before each command and answers below; in any other all lines are typed, but for empty ones and comments.
func (b Block) Commands() []Command {
	lines := strings.SplitAfter(b.Text, "\n")
	prompted := strings.HasPrefix(b.Text, prompt) || strings.Contains(b.Text, "\n"+prompt)
	var out []Command
	for i := 0; i < len(lines); i++ {
		text, begins := strings.CutPrefix(lines[i], prompt)
		switch {
		case prompted && !begins:
			if len(out) > 0 {
				out[len(out)-1].Shown += text
			}
			continue
		case strings.TrimSpace(text) == "", !prompted && strings.HasPrefix(text, "#"):
			continue
		}
		command := Command{Line: b.Line + 1 + i, Prompted: prompted}
		for !complete(text) && i+1 < len(lines) {
			i++
			text += lines[i]
		}
		command.Text = strings.TrimRight(text, "\n")
		out = append(out, command)
	}
	return out
}

var heredoc = regexp.MustCompile(`<<-?\s*'?"?([A-Za-z_]+)`)

// complete tells whether a shell would begin with what has been typed, and not ask for more.
func complete(text string) bool {
	if match := heredoc.FindStringSubmatch(text); match != nil {
		return strings.HasSuffix(text, "\n"+match[1]+"\n")
	}
	line := strings.TrimRight(text, "\n")
	return !strings.HasSuffix(line, `\`) && !strings.HasSuffix(line, "|") && strings.Count(line, "'")%2 == 0
}
