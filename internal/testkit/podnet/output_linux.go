package podnet

import (
	"bytes"
	"context"
	"strings"
	"sync"
)

// output is what a process has written so far.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	grown chan struct{} // closed at the next write
}

func newOutput() *output { return &output{grown: make(chan struct{})} }

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.grown)
	o.grown = make(chan struct{})
	return o.text.Write(p)
}

// String is all that was written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// waitFor returns when the text was written, with true, or when ctx or the writer is done.
func (o *output) waitFor(ctx context.Context, done <-chan struct{}, text string) bool {
	for {
		o.mu.Lock()
		found, grown := strings.Contains(o.text.String(), text), o.grown
		o.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-grown:
		case <-done:
			return strings.Contains(o.String(), text)
		case <-ctx.Done():
			return false
		}
	}
}
