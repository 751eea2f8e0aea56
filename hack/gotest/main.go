// Command gotest runs go test and fails also when a test was skipped: a run that checked less than everything is not
// green. The output is that of go test, with the log of a test only when it failed, and a line about one that took a while.
//
//	go run ./hack/gotest -race ./...
//	go run ./hack/gotest -C hack/images ./...
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	test := exec.CommandContext(ctx, "go", command(args)...)
	test.Cancel = func() error { return test.Process.Signal(os.Interrupt) } // go test passes it on
	test.Stderr = os.Stderr
	events, err := test.StdoutPipe()
	if err != nil {
		return err
	}
	if err := test.Start(); err != nil {
		return err
	}
	skipped, readErr := report(events, out)
	if err := test.Wait(); err != nil {
		return fmt.Errorf("tests failed: %w", err)
	}
	if readErr != nil {
		return readErr
	}
	if len(skipped) > 0 {
		return fmt.Errorf("skipped, which does not count as passed:\n  %s", strings.Join(skipped, "\n  "))
	}
	return nil
}

// command is that of go: -C, the folder of another module, is only understood in front of all other flags.
func command(args []string) []string {
	if len(args) > 1 && args[0] == "-C" {
		return append([]string{"test", "-C", args[1], "-json"}, args[2:]...)
	}
	return append([]string{"test", "-json"}, args...)
}

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // in seconds
}

// aWhile, in seconds, is how long nobody wants to see nothing.
const aWhile = 10

// patience is a line about a test that took long; empty for all others.
func (e event) patience() string {
	if e.Elapsed < aWhile || e.Test == "" || strings.Contains(e.Test, "/") {
		return ""
	}
	return fmt.Sprintf("--- %s: %s (%.0fs)\n", strings.ToUpper(e.Action), e.Test, e.Elapsed)
}

// report prints what happens and returns the tests that were skipped.
func report(events io.Reader, out io.Writer) (skipped []string, err error) {
	logs := map[string]string{} // of running tests, by package and test
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if err == io.EOF {
				return skipped, nil
			}
			return skipped, err
		}
		var e event
		if json.Unmarshal([]byte(line), &e) != nil {
			fmt.Fprint(out, line) // not from a test: go itself speaks
			continue
		}
		test := e.Package + " " + e.Test
		switch {
		case e.Action == "build-output", e.Action == "output" && e.Test == "":
			if !noise(e.Output) {
				fmt.Fprint(out, e.Output)
			}
		case e.Action == "output":
			logs[test] += e.Output
		case e.Action == "fail":
			fmt.Fprint(out, logs[test])
			delete(logs, test)
		case e.Action == "skip" && e.Test != "": // without a test: a package that has none
			skipped = append(skipped, test)
			fallthrough
		case e.Action == "pass", e.Action == "skip":
			delete(logs, test)
			fmt.Fprint(out, e.patience())
		}
	}
}

// noise is what a package says besides its result.
func noise(line string) bool {
	return line == "PASS\n" || strings.Contains(line, "[no test files]")
}
