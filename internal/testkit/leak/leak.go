// Package leak fails a package's tests when goroutines are left over after them.
package leak

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long goroutines may take to end that were told to.
const patience = 10 * time.Second

// Main is TestMain: it runs the tests, and fails with the stacks of what is still running afterwards.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := Left(patience); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines are left over:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// Left are the stacks of the goroutines that are neither the caller's nor the runtime's, nor end in time.
func Left(patience time.Duration) []string {
	deadline := time.Now().Add(patience)
	for {
		left := running()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func running() []string {
	buffer := make([]byte, 1<<20)
	buffer = buffer[:runtime.Stack(buffer, true)]
	var left []string
	for i, stack := range strings.Split(string(buffer), "\n\n") {
		if i > 0 && !ofTheSystem(stack) { // the first is the caller's
			left = append(left, strings.TrimSpace(stack))
		}
	}
	return left
}

// ofTheSystem says whether a goroutine belongs to the runtime or to package testing.
func ofTheSystem(stack string) bool {
	for _, name := range []string{"testing.(*M).", "testing.(*T).Run(", "os/signal.", "runtime.ensureSigM", "testing.runFuzz"} {
		if strings.Contains(stack, name) {
			return true
		}
	}
	return false
}
