package documents

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/warifu/warifu/internal/testkit/page"
)

// Document is a page with something to do on it.
type Document struct {
	Name string
	// Blocks are those in which something is done, in their order.
	Blocks [][]Step
}

// Step is one thing that is done: a command, or a policy to apply.
type Step struct {
	// Line is where it begins on the page, from 1.
	Line int
	// Command is what is typed, and what is shown below; what is rehearsed has its flag for that.
	Command page.Command
	// Manifest is the policy, where it is one.
	Manifest string
}

// ours is a block that is a policy, or another object of Warifu's.
var ours = regexp.MustCompile(`(?m)^apiVersion: warifu\.dev/`)

// Plan says what is done on the pages. An error names each block without a place, and each entry of the lists that nothing is
// left of.
func Plan(pages []page.Page) ([]Document, error) {
	var out []Document
	var failures []error
	left := newUse()
	for _, p := range pages {
		blocks, err := p.Blocks()
		failures = append(failures, err)
		d := Document{Name: p.Name}
		for _, b := range blocks {
			steps, err := left.steps(b)
			failures = append(failures, err)
			if len(steps) > 0 {
				d.Blocks = append(d.Blocks, steps)
			}
		}
		if len(d.Blocks) > 0 {
			out = append(out, d)
		}
	}
	return out, errors.Join(append(failures, left.unused())...)
}

// use is what of the lists has been of use.
type use struct {
	exempt    map[exemption]bool
	rehearsed map[rehearsal]bool
}

func newUse() use { return use{map[exemption]bool{}, map[rehearsal]bool{}} }

func (u use) steps(b page.Block) ([]Step, error) {
	switch b.Language {
	case "": // commands
	case "yaml":
		if ours.MatchString(b.Text) && !u.isExempt(b.Page, b.Text) {
			return []Step{{Line: b.Line, Manifest: b.Text}}, nil
		}
		return nil, nil
	case "promql", "text": // nothing to do
		return nil, nil
	default:
		return nil, fmt.Errorf("%s:%d: nobody knows what to do with %s", b.Page, b.Line, b.Language)
	}
	var out []Step
	for _, c := range b.Commands() {
		if u.isExempt(b.Page, c.Text) {
			continue
		}
		if !known(c.Text) {
			return nil, fmt.Errorf("%s:%d: %q is no command that the tests know; say text after the fence where it is none", b.Page, c.Line, firstLine(c.Text))
		}
		c.Text = u.rehearse(c.Text)
		out = append(out, Step{Line: c.Line, Command: c})
	}
	return out, nil
}

// known tells whether the command's program is one that the tests have.
func known(command string) bool {
	program, _, _ := strings.Cut(command, " ")
	switch program {
	case "curl", "export", "go", "helm", "kubectl", "make", "warifu":
		return true
	}
	return false
}

func (u use) isExempt(name, text string) bool {
	for _, e := range exempt {
		if e.page == name && strings.HasPrefix(text, e.begins) {
			u.exempt[e] = true
			return true
		}
	}
	return false
}

func (u use) rehearse(command string) string {
	for _, r := range rehearsed {
		if rest, ok := strings.CutPrefix(command, r.begins); ok {
			u.rehearsed[r] = true
			return r.as + rest
		}
	}
	return command
}

// unused is an error about what the lists have and no page has.
func (u use) unused() error {
	var failures []error
	for _, e := range exempt {
		if !u.exempt[e] {
			failures = append(failures, fmt.Errorf("%s has no block that begins with %q any more", e.page, e.begins))
		}
	}
	for _, r := range rehearsed {
		if !u.rehearsed[r] {
			failures = append(failures, fmt.Errorf("no page has %q any more", r.begins))
		}
	}
	return errors.Join(failures...)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
