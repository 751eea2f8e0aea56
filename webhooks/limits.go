package webhooks

import (
	"net/http"
	"time"
)

// Whoever reaches the port may send, and before a request is read nobody knows whether it is worth its memory, of which a
// review takes some three times its size. So few large ones are read at a time, and small ones, which nearly all are, do not
// wait for those.
const (
	smallBody = 128 << 10 // bytes
	maxSmall  = 256       // at a time
	maxLarge  = 4         // at a time, of at most 7 MiB each, which is controller-runtime's limit
	// maxWait is how long a request waits for its turn, and maxRead how long its sender may take. The API server gives up
	// after 5 s.
	maxWait = 2 * time.Second
	maxRead = 2 * time.Second
)

// limits bound what admission holds in memory. One value serves all paths.
type limits struct{ small, large chan struct{} }

func newLimits() *limits {
	return &limits{small: make(chan struct{}, maxSmall), large: make(chan struct{}, maxLarge)}
}

// limited is a handler whose requests have to take turns.
type limited struct {
	*limits
	http.Handler
}

// ServeHTTP answers in its turn, or not at all: then the API server's failure policy decides.
func (l limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	turn := l.large
	if 0 <= r.ContentLength && r.ContentLength <= smallBody {
		turn = l.small
	}
	tooLate := time.NewTimer(maxWait)
	defer tooLate.Stop()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-r.Context().Done():
		return
	case <-tooLate.C:
		http.Error(w, "too many requests at a time; try again", http.StatusServiceUnavailable)
		return
	}
	// Without support for deadlines, as in a test, the sender is trusted.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(maxRead))
	l.Handler.ServeHTTP(w, r)
}
