package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// maxPendingWorkloads is how many workloads are held by name. A replica that does not lead may collect for months, while
// pods come and go by the million.
const maxPendingWorkloads = 10_000

// changes collects what the index says has changed until its one reader takes it, merged. It never blocks who adds, and
// holds an object once, however often it changed, and instead of very many workloads "all".
type changes struct {
	mu      sync.Mutex
	pending changeSet
	wake    chan struct{} // holds one token while pending is not empty
}

// changeSet is a policy.Change without repetitions.
type changeSet struct {
	policies     sets.Set[proxyconfig.ObjectRef]
	workloads    sets.Set[types.NamespacedName]
	allWorkloads bool
}

func newChangeSet() changeSet {
	return changeSet{policies: sets.New[proxyconfig.ObjectRef](), workloads: sets.New[types.NamespacedName]()}
}

func newChanges() *changes {
	return &changes{pending: newChangeSet(), wake: make(chan struct{}, 1)}
}

// add merges a change.
func (c *changes) add(change policy.Change) {
	if len(change.Policies) == 0 && len(change.Workloads) == 0 && !change.AllWorkloads {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending.policies.Insert(change.Policies...)
	c.pending.workloads.Insert(change.Workloads...)
	c.pending.allWorkloads = c.pending.allWorkloads || change.AllWorkloads
	if len(c.pending.workloads) > maxPendingWorkloads {
		c.pending.workloads, c.pending.allWorkloads = sets.New[types.NamespacedName](), true
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take waits for changes and returns all there are; false when ctx has ended.
func (c *changes) take(ctx context.Context) (changeSet, bool) {
	select {
	case <-ctx.Done():
		return changeSet{}, false
	case <-c.wake:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.pending
	c.pending = newChangeSet()
	return taken, true
}

// changeSource feeds a controller's queue from the index. It collects from when it is made, so that nothing is lost before
// the controller starts, and is in sync when the index is.
type changeSource[R comparable] struct {
	feed    *IndexFeed
	changes *changes
	// requests are what a set of changes asks the controller to look at.
	requests func(context.Context, changeSet) []R
	// settle is how long a request waits for more changes of the same object: a rollout changes a policy's count of pods
	// many times a second.
	settle time.Duration
}

func newChangeSource[R comparable](feed *IndexFeed, requests func(context.Context, changeSet) []R) *changeSource[R] {
	s := &changeSource[R]{feed: feed, changes: newChanges(), requests: requests}
	feed.Listen(s.changes.add)
	return s
}

var _ source.TypedSyncingSource[int] = &changeSource[int]{}

// Start implements source.TypedSource.
func (s *changeSource[R]) Start(ctx context.Context, queue workqueue.TypedRateLimitingInterface[R]) error {
	go func() {
		for {
			taken, ok := s.changes.take(ctx)
			if !ok {
				return
			}
			for _, r := range s.requests(ctx, taken) {
				queue.AddAfter(r, s.settle)
			}
		}
	}()
	return nil
}

// WaitForSync implements source.TypedSyncingSource.
func (s *changeSource[R]) WaitForSync(ctx context.Context) error { return s.feed.WaitForSync(ctx) }

// String names the source in logs.
func (s *changeSource[R]) String() string { return "index changes" }
