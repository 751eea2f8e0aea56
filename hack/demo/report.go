package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// report is what the reader sees: numbered steps, commands with their output, and checks that are counted at the end.
type report struct {
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

// newReport uses colours only where somebody looks at them.
func newReport(out *os.File) *report {
	colour := term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == ""
	return &report{out: out, colour: colour, started: time.Now()}
}

const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (r *report) paint(style, text string) string {
	if !r.colour || text == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// step begins a part of the story.
func (r *report) step(title string) {
	r.steps++
	fmt.Fprintf(r.out, "\n%s\n", r.paint(bold, fmt.Sprintf("%d. %s", r.steps, title)))
}

// say explains.
func (r *report) say(format string, args ...any) {
	r.block(fmt.Sprintf(format, args...))
}

// command shows what could be typed to see the same.
func (r *report) command(words ...string) {
	r.line(r.paint(yellow, "$ "+strings.Join(words, " ")))
}

// line is one line, indented.
func (r *report) line(text string) {
	if text != "" {
		text = "   " + text
	}
	fmt.Fprintln(r.out, text)
}

// block shows the output of something, indented.
func (r *report) block(text string) {
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		r.line(strings.TrimRight(line, " \n"))
	}
}

// diff shows a unified diff without its file names.
func (r *report) diff(text string) {
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
		r.line(line)
	}
}

// check records that something is as it should be, or not, and says so.
func (r *report) check(ok bool, format string, args ...any) {
	c := check{ok: ok, what: fmt.Sprintf(format, args...)}
	r.checks = append(r.checks, c)
	r.line(r.mark(c))
}

func (r *report) mark(c check) string {
	if c.ok {
		return r.paint(green, "ok     ") + c.what
	}
	return r.paint(red, "FAILED ") + c.what
}

// close lists what was checked. err is what ended the demo early, if anything did. It returns whether all is well.
func (r *report) close(err error) bool {
	failed := 0
	fmt.Fprintf(r.out, "\n%s\n", r.paint(bold, "Checked"))
	for _, c := range r.checks {
		r.line(r.mark(c))
		if !c.ok {
			failed++
		}
	}
	if err != nil {
		failed++
		r.line(r.mark(check{what: "the demo ran to its end"}))
		r.block(err.Error())
	}
	verdict := r.paint(green, "All is as it should be.")
	if failed > 0 {
		verdict = r.paint(red, fmt.Sprintf("%d not as it should be.", failed))
	}
	fmt.Fprintf(r.out, "\n%d checks in %s. %s\n", len(r.checks), time.Since(r.started).Round(100*time.Millisecond), verdict)
	return failed == 0
}
