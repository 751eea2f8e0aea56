package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// steps prints what is being done and how long it took.
type steps struct {
	out     io.Writer
	started time.Time
}

func newSteps(out io.Writer) *steps { return &steps{out: out, started: time.Now()} }

// do performs one step.
func (s *steps) do(name string, perform func() error) error {
	fmt.Fprintf(s.out, "%6.1fs  %s\n", time.Since(s.started).Seconds(), name)
	began := time.Now()
	if err := perform(); err != nil {
		return fmt.Errorf("%s: failed after %.1f s: %w", name, time.Since(began).Seconds(), err)
	}
	return nil
}

func (s *steps) done(text string) {
	fmt.Fprintf(s.out, "%6.1fs  %s\n", time.Since(s.started).Seconds(), text)
}

// patience is how long anything may take that takes seconds on a machine with nothing else to do.
const patience = 5 * time.Minute

// until repeats the attempt until it succeeds; its last error is that of a timeout. The attempts come quickly: what is
// waited for takes seconds.
func until(ctx context.Context, attempt func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := attempt(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", patience, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
