package netns

import (
	"fmt"
	"testing"
	"time"
)

// bulkSize is how much goes through one connection; less where the test looks for races, which takes ten times as long.
func bulkSize() int64 {
	const size = 10 << 30
	if len(raceFlags) > 0 {
		return size >> 6
	}
	return size
}

// bulk: 10 GiB through one connection with mutual TLS, none of which stays in a proxy.
func (s *shop) bulk(t *testing.T) {
	size := bulkSize()
	conn := s.opened(t, appSink)
	chunk := make([]byte, streamChunk)
	write := func(n int64) {
		for left := n; left > 0; left -= int64(len(chunk)) {
			if _, err := conn.Write(chunk); err != nil {
				t.Fatalf("%d bytes before the end: %v", left, err)
			}
		}
	}
	begin := size / 8 // buffers and pools have their size then
	start := time.Now()
	write(begin)
	watched := s.watchMemory(t)
	for range 3 {
		write((size - begin) / 4)
		watched.flat(t)
	}
	write((size - begin) / 4)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := firstLine(conn); got != fmt.Sprintln(size) {
		t.Errorf("the application got %q, %v, want %d", got, err, size)
	}
	took := time.Since(start)
	t.Logf("%d MiB in %s: %.0f MiB/s", size>>20, took.Round(time.Millisecond), float64(size>>20)/took.Seconds())
	watched.flat(t)
}
