package leak

import (
	"strings"
	"testing"
	"time"
)

func blocked(release chan struct{}) { <-release }

func TestLeft(t *testing.T) {
	release := make(chan struct{})
	go blocked(release)
	left := Left(0)
	if len(left) != 1 || !strings.Contains(left[0], "leak_test.go") {
		t.Errorf("left over: %q, want the one that is blocked", left)
	}
	close(release)
	if left := Left(10 * time.Second); len(left) != 0 {
		t.Errorf("left over: %q", left)
	}
}
