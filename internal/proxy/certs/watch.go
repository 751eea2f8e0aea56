package certs

import (
	"context"
	"time"

	"github.com/warifu/warifu/internal/mtls"
)

// lookEvery is how often the workload's own identity is looked at: a change of trust has to reach open connections within a
// second. A look is a few calls of stat; inotify would have to follow links and directories that are replaced.
const lookEvery = 500 * time.Millisecond

// Watch calls onChange with the material of a source, at once and then whenever it has been replaced, until ctx ends. Handshakes
// do not wait for it, since they ask the source themselves; it is for what was decided before: open connections, metrics.
func Watch(ctx context.Context, source mtls.Source, onChange func(*mtls.Material)) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last *mtls.Material
	for ctx.Err() == nil {
		// A source without material fails the handshakes, and tells of it itself.
		if now, err := source.Material(); err == nil && now != nil && now != last {
			last = now
			onChange(now)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
