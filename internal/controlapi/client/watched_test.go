package client

import (
	"slices"
	"testing"
)

// TestWatchedMakesRoom: what was not used for longest is forgotten, what somebody waits for is not, and what comes back is
// forgotten before it is asked for again.
func TestWatchedMakesRoom(t *testing.T) {
	w := newWatched[string, int](3)
	for _, key := range []string{"a", "b", "c"} {
		w.use(key)
	}
	w.unasked(10)
	w.tell("a", 1, 1)
	b, _ := w.use("b")
	b.waiting++
	w.use("a")
	w.use("d") // takes the place of c
	w.use("c") // takes the place of a, since somebody waits for b
	if _, added := w.use("b"); added {
		t.Error("what somebody waits for was forgotten")
	}
	watch, forget := w.unasked(10)
	slices.Sort(watch)
	slices.Sort(forget)
	if !slices.Equal(watch, []string{"c", "d"}) || !slices.Equal(forget, []string{"a", "c"}) {
		t.Errorf("watch %v, forget %v", watch, forget)
	}
	if _, had := w.tell("gone", 1, 1); had || len(w.entries) != 3 {
		t.Errorf("%d entries after an answer about what is not watched", len(w.entries))
	}
}

// TestUnaskedIsBounded: a line carries so many keys, and nothing is watched anew before it was forgotten.
func TestUnaskedIsBounded(t *testing.T) {
	w := newWatched[int, int](5)
	for i := range 5 {
		w.use(i)
	}
	w.unasked(10)
	for i := range 10 {
		w.use(5 + i)
	}
	for i := range 5 {
		w.use(i)
	}
	forgotten := map[int]bool{}
	for range 10 {
		watch, forget := w.unasked(2)
		if len(watch) > 2 || len(forget) > 2 {
			t.Fatalf("%d and %d keys in one line", len(watch), len(forget))
		}
		for _, key := range forget {
			forgotten[key] = true
		}
		for _, key := range watch {
			if !forgotten[key] {
				t.Errorf("%d is watched anew before it was forgotten", key)
			}
		}
	}
	if len(forgotten) != 5 || len(w.watch)+len(w.forget) != 0 {
		t.Errorf("%d forgotten, %d left", len(forgotten), len(w.watch)+len(w.forget))
	}
}
