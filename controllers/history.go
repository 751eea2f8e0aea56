package controllers

import (
	"strconv"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// history is how much of the cluster's history the index has taken in, by kind. It runs behind the listeners: what it names
// has been heard by all of them.
type history struct {
	mu    sync.Mutex
	kinds map[string]*kindHistory
}

// kindHistory is the history of one kind.
type kindHistory struct {
	// applied is the highest resourceVersion of an event.
	applied uint64
	// objects of the kind that the index has been given and not lost since.
	objects int
	// store is the cache that the events come from; nil before it is watched.
	store toolscache.Store
}

func newHistory() *history { return &history{kinds: map[string]*kindHistory{}} }

// kind finds or makes the history of a kind. The caller holds the lock.
func (h *history) kind(kind string) *kindHistory {
	k := h.kinds[kind]
	if k == nil {
		k = &kindHistory{}
		h.kinds[kind] = k
	}
	return k
}

// watch notes where the events of a kind come from.
func (h *history) watch(kind string, informer any) {
	stored, ok := informer.(interface{ GetStore() toolscache.Store })
	if !ok {
		return // an informer without one cannot be looked into; its events count all the same
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kind(kind).store = stored.GetStore()
}

// note takes in an event that listeners have heard, and by how many objects there are more.
func (h *history) note(kind string, object client.Object, more int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.kind(kind)
	k.applied = max(k.applied, versionOf(object))
	k.objects += more
}

func (h *history) asOf() proxyconfig.AsOf {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(proxyconfig.AsOf, len(h.kinds))
	for kind, k := range h.kinds {
		if k.applied > 0 {
			out[kind] = k.applied
		}
	}
	return out
}

// reached says whether everything up to a version of a kind has been taken in. A kind that is not followed is not waited for:
// a replica of another release may follow more.
//
// The highest event alone would not do: whoever starts after an object was deleted never hears of its last version. Then the
// cache's own version counts, once all that is in the cache has come through.
func (h *history) reached(kind string, version uint64) bool {
	h.mu.Lock()
	k, followed := h.kinds[kind]
	if !followed || k.applied >= version || k.store == nil {
		defer h.mu.Unlock()
		return !followed || k.applied >= version
	}
	store, before := k.store, *k
	h.mu.Unlock()
	stored, err := strconv.ParseUint(store.LastStoreSyncResourceVersion(), 10, 64)
	return err == nil && stored >= version && before.drained(store)
}

// drained says whether every event that led to what is in the store has been taken in.
func (k kindHistory) drained(store toolscache.Store) bool {
	objects := store.List()
	for _, o := range objects {
		if object, ok := o.(client.Object); ok && versionOf(object) > k.applied {
			return false
		}
	}
	return len(objects) == k.objects
}

// versionOf is a resourceVersion as the number that it is; 0 for none.
func versionOf(object client.Object) uint64 {
	version, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		return 0
	}
	return version
}

// AsOf is how much of the cluster's history the index has taken in, and every listener heard, by kind.
func (f *IndexFeed) AsOf() proxyconfig.AsOf { return f.history.asOf() }

// Reached says whether the index has taken in what a statement with this AsOf took in, whoever made it.
func (f *IndexFeed) Reached(seen proxyconfig.AsOf) bool {
	for kind, version := range seen {
		if !f.history.reached(kind, version) {
			return false
		}
	}
	return true
}
