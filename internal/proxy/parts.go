package proxy

import (
	"context"
	"sync"
)

// parts are the goroutines of a process that work until it ends.
type parts struct {
	stop    context.CancelFunc
	running sync.WaitGroup
	// failed has the first error of a part, without which the process cannot go on.
	failed chan error
}

func newParts(stop context.CancelFunc) *parts {
	return &parts{stop: stop, failed: make(chan error, 1)}
}

// run starts a part. It ends when the context that stop cancels does.
func (p *parts) run(part func() error) {
	p.running.Go(func() {
		if err := part(); err != nil {
			select {
			case p.failed <- err:
			default: // the first one ends the process
			}
		}
	})
}

// end stops the parts and waits for them.
func (p *parts) end() {
	p.stop()
	p.running.Wait()
}
