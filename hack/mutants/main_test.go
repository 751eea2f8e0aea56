package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// TestMutantsApply finds a mutant that the source has left behind when the source changes, not when somebody runs them all.
func TestMutantsApply(t *testing.T) {
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := load("mutants.yaml")
	if err != nil || len(mutants) == 0 {
		t.Fatalf("%d mutants, %v", len(mutants), err)
	}
	for _, m := range mutants {
		source, err := os.ReadFile(filepath.Join(root, m.File))
		if err != nil {
			t.Errorf("%s: %v", m.About, err)
			continue
		}
		if _, err := m.apply(string(source)); err != nil {
			t.Errorf("%s (%s): %v", m.About, m.File, err)
		}
	}
}

func TestApply(t *testing.T) {
	for name, tt := range map[string]struct {
		source, old, new, want string
		wrong                  bool
	}{
		"once":      {source: "a < b", old: "<", new: "<=", want: "a <= b"},
		"twice":     {source: "a < b < c", old: "<", new: "<=", wrong: true},
		"gone":      {source: "a > b", old: "<", new: "<=", wrong: true},
		"no change": {source: "a < b", old: "<", new: "<", wrong: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mutant{Old: tt.old, New: tt.new}.apply(tt.source)
			if got != tt.want || (err != nil) != tt.wrong {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
