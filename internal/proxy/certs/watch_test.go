package certs

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/mtls"
)

// source is a source that a test changes.
type source struct {
	mu       sync.Mutex
	material *mtls.Material
	err      error
}

func (s *source) Material() (*mtls.Material, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.material, s.err
}

func (s *source) set(m *mtls.Material, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.material, s.err = m, err
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &mtls.Material{}, &mtls.Material{Bundle: &mtls.Bundle{}}
		s := &source{material: first}
		var seen []*mtls.Material
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Watch(ctx, s, func(m *mtls.Material) { seen = append(seen, m) })
		}()
		step := func(what string, change func(), want ...*mtls.Material) {
			t.Helper()
			change()
			time.Sleep(time.Second) // within which a change has to be noticed
			synctest.Wait()
			if !cmp.Equal(seen, want, cmp.Comparer(func(a, b *mtls.Material) bool { return a == b })) {
				t.Errorf("%s: called %d times, want %d", what, len(seen), len(want))
			}
		}
		step("at once, and once", func() {}, first)
		step("replaced", func() { s.set(second, nil) }, first, second)
		step("none", func() { s.set(nil, nil) }, first, second)
		step("failing", func() { s.set(nil, errors.New("gone")) }, first, second)
		step("back", func() { s.set(second, nil) }, first, second)
		cancel()
		<-done
	})
}
