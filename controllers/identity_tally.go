package controllers

import (
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// identityState is how a ServiceAccount stands with its identity.
type identityState string

// The states.
const (
	identityIssued  identityState = "Issued"
	identityPending identityState = "Pending"
	identityFailed  identityState = "Failed"
)

// identityEntry is what is known of one ServiceAccount.
type identityEntry struct {
	State   identityState
	Reason  string
	Message string
	RenewAt time.Time
}

// tally keeps the state of every ServiceAccount that is to have an identity, in memory: it is found again by the first
// look at each after a restart. Safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	entries map[types.NamespacedName]identityEntry
	changed func()
}

// newTally calls changed, which must not block, after each change of what counts would return.
func newTally(changed func()) *tally {
	return &tally{entries: map[types.NamespacedName]identityEntry{}, changed: changed}
}

// record stores an entry and returns the one before, zero where there was none.
func (t *tally) record(name types.NamespacedName, entry identityEntry) identityEntry {
	t.mu.Lock()
	before := t.entries[name]
	t.entries[name] = entry
	t.mu.Unlock()
	if before != entry {
		t.changed()
	}
	return before
}

// failing says that the last that is known of a ServiceAccount is a failure.
func (t *tally) failing(name types.NamespacedName) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.entries[name].State == identityFailed
}

// forget removes a ServiceAccount that is to have no identity.
func (t *tally) forget(name types.NamespacedName) {
	t.mu.Lock()
	_, known := t.entries[name]
	delete(t.entries, name)
	t.mu.Unlock()
	if known {
		t.changed()
	}
}

// identityCounts is the sum of the entries.
type identityCounts struct {
	Issued, Pending, Failed int32
	NextRenewal             time.Time
	// Failures are the first few, by name, and FailureReason the reason of the first.
	Failures      []string
	FailureReason string
}

// maxFailures is how many failures a condition names.
const maxFailures = 5

// counts sums up; it costs what there is, so it is asked for a few times a minute only.
func (t *tally) counts() identityCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	var c identityCounts
	var failed []types.NamespacedName
	for name, entry := range t.entries {
		switch entry.State {
		case identityIssued:
			c.Issued++
		case identityPending:
			c.Pending++
		case identityFailed:
			c.Failed++
			failed = append(failed, name)
		}
		if !entry.RenewAt.IsZero() && (c.NextRenewal.IsZero() || entry.RenewAt.Before(c.NextRenewal)) {
			c.NextRenewal = entry.RenewAt
		}
	}
	slices.SortFunc(failed, func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	for i, name := range failed[:min(len(failed), maxFailures)] {
		if i == 0 {
			c.FailureReason = t.entries[name].Reason
		}
		c.Failures = append(c.Failures, name.String()+": "+t.entries[name].Message)
	}
	return c
}
