package page_test

import (
	"context"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/testkit/page"
)

func TestShell(t *testing.T) {
	s, err := page.NewShell(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		command, want string
		status        int
	}{
		{"export X=1   # a comment", "", 0},
		{"echo $X; echo to stderr >&2; printf last", "1\nto stderr\nlast", 0},
		{"cat <<EOF\na\nEOF", "a\n", 0},
		{"cat", "", 0}, // whoever asks is answered by nobody
		{"false | true", "", 1},
		{"sleep 300 &", "", 0},
		{"(exit 7)", "", 7},
	} {
		printed, status, err := s.Run(c.command)
		if err != nil || printed != c.want || status != c.status {
			t.Errorf("%s: %q, status %d: %v", c.command, printed, status, err)
		}
	}
}

func TestAShellEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s, err := page.NewShell(ctx, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Run("sleep 300"); err == nil {
		t.Error("no error")
	}
	_ = s.Close() // nothing is left to end
}
