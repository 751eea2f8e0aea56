package report

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestStreamShowsLinesAsTheyComeAndThatSilenceIsNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		s := (&Report{out: &out}).Stream()
		fmt.Fprint(s, "one\ntw")
		s.mu.Lock() // it may write at any time
		got := out.String()
		s.mu.Unlock()
		if want := "   one\n"; got != want {
			t.Errorf("got %q before the second line has ended, want %q", got, want)
		}
		time.Sleep(heartbeat + heartbeat/2)
		fmt.Fprint(s, "o\n\nthree")
		if err := io.Closer(s).Close(); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), "   one\n   … 10s\n   two\n\n   three\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
