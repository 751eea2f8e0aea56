package netns

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// counts are what the application has counted so far.
type counts struct {
	// BrokenUploads are requests whose body did not come to its end, Sinking the connections that the sink reads from, and
	// BrokenSinks those that broke off.
	BrokenUploads, Sinking, BrokenSinks atomic.Int64
	// Poured are bytes that the kernel took, Pouring the connections.
	Poured, Pouring atomic.Int64
}

var counted counts

// told are counts as a client sees them.
type told struct{ BrokenUploads, Sinking, BrokenSinks, Poured, Pouring int64 }

func tellCounts(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(told{
		BrokenUploads: counted.BrokenUploads.Load(), Sinking: counted.Sinking.Load(), BrokenSinks: counted.BrokenSinks.Load(),
		Poured: counted.Poured.Load(), Pouring: counted.Pouring.Load(),
	})
}

// slow answers in two parts, the second after the time that it is asked for.
func slow(w http.ResponseWriter, r *http.Request) {
	pause, err := time.ParseDuration(r.URL.Query().Get("for"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, slowBegin)
	_ = http.NewResponseController(w).Flush()
	time.Sleep(pause)
	fmt.Fprintln(w, slowEnd)
}

// The parts of a slow answer.
const (
	slowBegin = "begin"
	slowEnd   = "end"
)

// streamChunk is how much the application reads and writes at a time.
const streamChunk = 256 << 10

// sink reads until its client has finished, and says how much it got.
func sink(conn net.Conn) {
	counted.Sinking.Add(1)
	defer counted.Sinking.Add(-1)
	n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{conn}, make([]byte, streamChunk))
	if err != nil {
		counted.BrokenSinks.Add(1)
		return
	}
	fmt.Fprintln(conn, n)
}

// pour writes until nobody takes it any more.
func pour(conn net.Conn) {
	counted.Pouring.Add(1)
	defer counted.Pouring.Add(-1)
	for chunk := make([]byte, streamChunk); ; {
		n, err := conn.Write(chunk)
		counted.Poured.Add(int64(n))
		if err != nil {
			return
		}
	}
}
