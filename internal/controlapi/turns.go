package controlapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/warifu/warifu/internal/identity"
)

// Bounds of streams that begin, for each ServiceAccount: a review of a token costs the API server something, and whoever asks
// for many with tokens that are none must not keep others waiting.
const (
	maxBeginning = 16
	maxWaiting   = 1000
	turnTimeout  = 10 * time.Second
)

// turns lets so many streams of an identity begin at once. The others wait.
type turns struct {
	mu   sync.Mutex
	each map[identity.ID]*turn
}

// turn is the slots of one identity, and how many hold or want one.
type turn struct {
	slots chan struct{}
	users int
}

func newTurns() *turns { return &turns{each: map[identity.ID]*turn{}} }

// take waits for a turn, which done ends.
func (t *turns) take(ctx context.Context, id identity.ID) (done func(), err error) {
	one, err := t.join(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, turnTimeout)
	defer cancel()
	select {
	case one.slots <- struct{}{}:
		return func() {
			<-one.slots
			t.leave(id)
		}, nil
	case <-ctx.Done():
		t.leave(id)
		return nil, busy()
	}
}

func (t *turns) join(id identity.ID) (*turn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.each[id]
	if one == nil {
		one = &turn{slots: make(chan struct{}, maxBeginning)}
		t.each[id] = one
	}
	if one.users >= maxWaiting {
		return nil, busy()
	}
	one.users++
	return one, nil
}

func (t *turns) leave(id identity.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.each[id]
	if one.users--; one.users == 0 {
		delete(t.each, id)
	}
}

func busy() error {
	return refusef(http.StatusServiceUnavailable, refusedBusy, "too many streams of this ServiceAccount begin at once")
}
