package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// series are the time series of one metric, found without a lock once they exist. They are bounded: labels come from reasons
// and identities, and whoever could make up new ones must not fill the memory of the proxy and of Prometheus.
type series[K comparable, V any] struct {
	// create makes the series of a key.
	create func(K) V
	// rest is the key that stands for all keys that came after the limit was reached.
	rest  func(K) K
	limit int

	mu    sync.Mutex
	known atomic.Pointer[map[K]V]
}

func newSeries[K comparable, V any](limit int, create func(K) V, rest func(K) K) *series[K, V] {
	s := &series[K, V]{create: create, rest: rest, limit: limit}
	s.known.Store(&map[K]V{})
	return s
}

func (s *series[K, V]) get(key K) V {
	if v, ok := (*s.known.Load())[key]; ok {
		return v
	}
	return s.add(key)
}

func (s *series[K, V]) add(key K) V {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.known.Load()
	if _, ok := known[key]; !ok && len(known) >= s.limit {
		key = s.rest(key)
	}
	if v, ok := known[key]; ok {
		return v
	}
	v := s.create(key)
	next := maps.Clone(known)
	next[key] = v
	s.known.Store(&next)
	return v
}
