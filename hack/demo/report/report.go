// Package report is what a reader of the demo sees: numbered steps, commands with their output, and checks.
package report

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Report goes to one reader, and counts the checks for the end. It is for one goroutine at a time.
type Report struct {
	out     io.Writer
	colour  bool
	started time.Time
	steps   int
	checks  []check
}

// check is one thing that must be so.
type check struct {
	ok   bool
	what string
}

// New uses colours only where somebody looks at them.
func New(out *os.File) *Report {
	colour := term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == ""
	return &Report{out: out, colour: colour, started: time.Now()}
}

const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (r *Report) paint(style, text string) string {
	if !r.colour || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// Step begins a part of the story, and says when.
func (r *Report) Step(title string) {
	r.steps++
	when := time.Since(r.started).Round(time.Second)
	fmt.Fprintf(r.out, "\n%s  %s\n", r.paint(bold, fmt.Sprintf("%d. %s", r.steps, title)), r.paint(faint, when.String()))
}

// Say explains.
func (r *Report) Say(format string, args ...any) {
	r.Block(fmt.Sprintf(format, args...))
}

// Command shows what could be typed to see the same.
func (r *Report) Command(words ...string) {
	r.Line(r.paint(yellow, "$ "+strings.Join(words, " ")))
}

// Line is one line, indented.
func (r *Report) Line(text string) {
	if text != "" {
		text = "   " + text
	}
	fmt.Fprintln(r.out, text)
}

// Block shows the output of something, indented.
func (r *Report) Block(text string) {
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		r.Line(strings.TrimRight(line, " \n"))
	}
}

// Diff shows a unified diff without its file names.
func (r *Report) Diff(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		style := ""
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			continue
		case strings.HasPrefix(line, "@@"):
			style = faint
		case strings.HasPrefix(line, "+"):
			style = green
		case strings.HasPrefix(line, "-"):
			style = red
		}
		if style != "" {
			line = r.paint(style, line)
		}
		r.Line(line)
	}
}

// Check records that something is as it should be, or not, and says so.
func (r *Report) Check(ok bool, format string, args ...any) {
	c := check{ok: ok, what: fmt.Sprintf(format, args...)}
	r.checks = append(r.checks, c)
	r.Line(r.mark(c))
}

func (r *Report) mark(c check) string {
	if c.ok {
		return r.paint(green, "ok     ") + c.what
	}
	return r.paint(red, "FAILED ") + c.what
}

// Close lists what was checked. err is what ended the demo early, if anything did. It returns whether all is well.
func (r *Report) Close(err error) bool {
	failed := 0
	fmt.Fprintf(r.out, "\n%s\n", r.paint(bold, "Checked"))
	for _, c := range r.checks {
		r.Line(r.mark(c))
		if !c.ok {
			failed++
		}
	}
	if err != nil {
		failed++
		r.Line(r.mark(check{what: "the demo ran to its end"}))
		r.Block(err.Error())
	}
	verdict := r.paint(green, "All is as it should be.")
	if failed > 0 {
		verdict = r.paint(red, fmt.Sprintf("%d not as it should be.", failed))
	}
	fmt.Fprintf(r.out, "\n%d checks in %s. %s\n", len(r.checks), time.Since(r.started).Round(100*time.Millisecond), verdict)
	return failed == 0
}
