package controllers

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// findingsSettle is how long changes are collected before their findings are counted: a rollout changes the same policies
// many times a second, and nobody scrapes that often.
const findingsSettle = 5 * time.Second

// FindingCounts keeps the metric of findings current, at the cost of what changed. It runs on the leader, so that a sum over
// replicas is right.
type FindingCounts struct {
	index   *policy.Index
	feed    *IndexFeed
	changes *changes
	settle  time.Duration

	// perObject is what each object with findings adds to the metric.
	perObject map[proxyconfig.ObjectRef]map[findingLabels]int
}

// findingLabels are the labels of the metric.
type findingLabels struct {
	kind     string
	severity policy.Severity
	reason   policy.Reason
}

// NewFindingCounts listens to the feed from now on.
func NewFindingCounts(index *policy.Index, feed *IndexFeed) *FindingCounts {
	c := &FindingCounts{
		index: index, feed: feed, changes: newChanges(), settle: findingsSettle,
		perObject: map[proxyconfig.ObjectRef]map[findingLabels]int{},
	}
	feed.Listen(c.changes.add)
	return c
}

// NeedLeaderElection is true: one count is enough.
func (c *FindingCounts) NeedLeaderElection() bool { return true }

// Start counts until ctx ends.
func (c *FindingCounts) Start(ctx context.Context) error {
	if c.feed.WaitForSync(ctx) != nil {
		return nil // the process stops
	}
	pause := time.NewTicker(c.settle)
	defer pause.Stop()
	for {
		taken, ok := c.changes.take(ctx)
		if !ok {
			return nil
		}
		c.recount(taken)
		select {
		case <-ctx.Done():
			return nil
		case <-pause.C:
		}
	}
}

// recount asks again about the objects whose findings may differ.
func (c *FindingCounts) recount(taken changeSet) {
	objects := taken.policies.UnsortedList()
	for name := range taken.workloads {
		objects = append(objects, policy.PodRef(name))
	}
	if taken.allWorkloads {
		objects = append(objects, c.index.Subjects()...)
		objects = slices.AppendSeq(objects, maps.Keys(c.perObject)) // those that are gone have no findings left
	}
	for _, object := range objects {
		c.count(object, c.index.Findings(object))
	}
}

// count replaces what an object adds to the metric. It may be called again with the same findings.
func (c *FindingCounts) count(object proxyconfig.ObjectRef, findings []policy.Finding) {
	for labels, n := range c.perObject[object] {
		labels.add(-n)
	}
	delete(c.perObject, object)
	if len(findings) == 0 {
		return
	}
	counts := map[findingLabels]int{}
	for _, f := range findings {
		counts[findingLabels{object.Kind, f.Severity, f.Reason}]++
	}
	for labels, n := range counts {
		labels.add(n)
	}
	c.perObject[object] = counts
}

func (l findingLabels) add(n int) {
	findingsGauge.WithLabelValues(l.kind, string(l.severity), string(l.reason)).Add(float64(n))
}
