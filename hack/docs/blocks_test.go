package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/cli"
)

// warifu runs a command line in the root of the tree and returns what it wrote and its exit code.
func warifu(stdin string, args ...string) (string, int) {
	var out bytes.Buffer
	code := cli.Run("warifu", args, strings.NewReader(stdin), &out, &out)
	return out.String(), code
}

// TestPoliciesAreValid: a policy that a page shows is accepted as it stands, without a warning.
func TestPoliciesAreValid(t *testing.T) {
	ours := regexp.MustCompile(`(?m)^apiVersion: warifu\.dev/`)
	found := 0
	for _, b := range blocks(t) {
		if b.Language != "yaml" || !ours.MatchString(b.Text) {
			continue
		}
		found++
		if out, code := warifu(b.Text, "validate", "-f", "-"); code != 0 || out != "No findings.\n" {
			t.Errorf("%s:%d: exit code %d:\n%s", b.Page, b.Line, code, out)
		}
	}
	if found == 0 {
		t.Error("no page shows a policy")
	}
}

// arguments are those of a command line of warifu, by whichever name it is called; nil for another program's. Pages quote no
// argument of it.
func arguments(command string) []string {
	command, _, _ = strings.Cut(command, " #")
	command, _, _ = strings.Cut(command, " | ")
	for _, name := range []string{"warifu ", "kubectl warifu ", "go run ./cmd/warifu "} {
		if rest, ok := strings.CutPrefix(command, name); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// TestAnswersAreReal: what a page shows below a question about files is what is answered.
func TestAnswersAreReal(t *testing.T) {
	t.Chdir(moduleRoot(t))
	found := 0
	for _, b := range blocks(t) {
		for _, s := range b.Commands() {
			args := arguments(s.Text)
			if args == nil || !s.Prompted || !strings.Contains(s.Text, " -f ") {
				continue
			}
			found++
			got, _ := warifu("", args...)
			if diff := cmp.Diff(strings.TrimSpace(s.Shown), strings.TrimSpace(got)); diff != "" {
				t.Errorf("%s:%d: %s (-page +now):\n%s", b.Page, b.Line, s.Text, diff)
			}
		}
	}
	if found == 0 {
		t.Error("no page asks anything")
	}
}

// TestCommandLinesParse: whatever is typed on a page, in a block or in the text, has the flags that it is given.
func TestCommandLinesParse(t *testing.T) {
	inText := regexp.MustCompile("`((?:kubectl )?warifu (?:explain|validate)[^`]*)`")
	for _, p := range readPages(t) {
		for _, match := range inText.FindAllStringSubmatch(p.Text, -1) {
			parses(t, p.Name, match[1])
		}
	}
	for _, b := range blocks(t) {
		for line := range strings.Lines(b.Text) {
			parses(t, b.Page, strings.TrimSpace(strings.TrimPrefix(line, "$ ")))
		}
	}
}

func parses(t *testing.T, page, command string) {
	t.Helper()
	args := arguments(command)
	if args == nil {
		return
	}
	if out, code := warifu("", append(args, "--help")...); code != 0 {
		t.Errorf("%s: %s: exit code %d:\n%s", page, command, code, out)
	}
}
