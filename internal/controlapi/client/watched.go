package client

import (
	"container/list"
)

// watched is what was told about things of one kind, those that were used last first, and what is still to be asked. Its
// owner's lock guards it.
type watched[K comparable, V any] struct {
	limit   int
	entries map[K]*entry[K, V]
	order   *list.List // of *entry, most recently used first
	// watch and forget are not asked for yet. A key may be in both: it is forgotten, and then watched anew.
	watch, forget map[K]struct{}
}

// entry is one thing.
type entry[K comparable, V any] struct {
	key   K
	place *list.Element
	// told says that there is a value; stream is which one told it, 0 for a former process.
	told   bool
	value  V
	stream uint64
	// answered is closed when there is a value.
	answered chan struct{}
	waiting  int
}

func newWatched[K comparable, V any](limit int) watched[K, V] {
	return watched[K, V]{
		limit: limit, entries: map[K]*entry[K, V]{}, order: list.New(),
		watch: map[K]struct{}{}, forget: map[K]struct{}{},
	}
}

// use finds or adds an entry, which is to be watched then.
func (w *watched[K, V]) use(key K) (e *entry[K, V], added bool) {
	if e = w.entries[key]; e != nil {
		w.order.MoveToFront(e.place)
		return e, false
	}
	for len(w.entries) >= w.limit && w.evict() {
	}
	e = &entry[K, V]{key: key, answered: make(chan struct{})}
	e.place = w.order.PushFront(e)
	w.entries[key] = e
	w.watch[key] = struct{}{}
	return e, true
}

// evict drops the entry that was not used for longest and that nobody waits for; false where there is none.
func (w *watched[K, V]) evict() bool {
	for place := w.order.Back(); place != nil; place = place.Prev() {
		e := place.Value.(*entry[K, V])
		if e.waiting > 0 {
			continue
		}
		w.order.Remove(place)
		delete(w.entries, e.key)
		if _, unasked := w.watch[e.key]; unasked {
			delete(w.watch, e.key)
		} else {
			w.forget[e.key] = struct{}{}
		}
		return true
	}
	return false
}

// tell stores an answer. An answer about what is not watched any more is dropped. It says what stood there before.
func (w *watched[K, V]) tell(key K, value V, stream uint64) (before V, had bool) {
	e := w.entries[key]
	if e == nil {
		return before, false
	}
	before, had = e.value, e.told
	e.value, e.stream = value, stream
	if !e.told {
		e.told = true
		close(e.answered)
	}
	return before, had
}

// restart has everything asked for again: the other end knows of nothing.
func (w *watched[K, V]) restart() {
	clear(w.forget)
	for key := range w.entries {
		w.watch[key] = struct{}{}
	}
}

// distrust makes every answer the last known one, until it is told anew.
func (w *watched[K, V]) distrust() {
	for _, e := range w.entries {
		e.stream = 0
	}
}

// unasked takes up to n keys to watch and to forget each. What is to be watched anew is not taken before it was forgotten:
// the other end forgets first within one line.
func (w *watched[K, V]) unasked(n int) (watch, forget []K) {
	for key := range w.forget {
		if len(forget) == n {
			return nil, forget
		}
		forget = append(forget, key)
		delete(w.forget, key)
	}
	for key := range w.watch {
		if len(watch) == n {
			break
		}
		watch = append(watch, key)
		delete(w.watch, key)
	}
	return watch, forget
}
