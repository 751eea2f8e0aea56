package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
)

// Pages of the operator's process that profile it.
const (
	pageBegin = "/profile/begin" // begins a CPU profile
	pageEnd   = "/profile/end"   // ends it, and returns it
	pageHeap  = "/profile/heap"  // returns a profile of what is alive
)

// profiled runs one measurement and, where it was asked for, keeps a CPU profile of the operator meanwhile.
func (m *measuring) profiled(name string, measure func(context.Context) error) func(context.Context) error {
	if m.profiles == "" {
		return measure
	}
	return func(ctx context.Context) error {
		m.profile = name
		if err := m.beginProfile(ctx); err != nil {
			return err
		}
		if err := measure(ctx); err != nil {
			return err
		}
		return m.endProfile(ctx)
	}
}

// beginProfile begins the profile that was asked for in the operator that runs, or in the one that is launched next.
func (m *measuring) beginProfile(ctx context.Context) error {
	if m.profile == "" || m.operator == nil || m.operator.ended {
		return nil
	}
	_, err := get(ctx, "http://"+m.operator.page+pageBegin)
	return err
}

// endProfile keeps the CPU profile and one of the memory.
func (m *measuring) endProfile(ctx context.Context) error {
	for page, suffix := range map[string]string{pageEnd: "cpu", pageHeap: "heap"} {
		raw, err := get(ctx, "http://"+m.operator.page+page)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(m.profiles, m.profile+"."+suffix), raw, 0o600); err != nil {
			return fmt.Errorf("keeping a profile: %w", err)
		}
	}
	m.profile = ""
	return nil
}

// profiler serves the pages in the operator's process. There is one profile at a time.
type profiler struct {
	mu  sync.Mutex
	cpu bytes.Buffer
}

func (p *profiler) register(mux *http.ServeMux) {
	mux.HandleFunc(pageBegin, func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cpu.Reset()
		if err := pprof.StartCPUProfile(&p.cpu); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc(pageEnd, func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		pprof.StopCPUProfile()
		_, _ = p.cpu.WriteTo(w)
	})
	mux.HandleFunc(pageHeap, func(w http.ResponseWriter, _ *http.Request) {
		runtime.GC()
		_ = pprof.Lookup("heap").WriteTo(w, 0)
	})
}
