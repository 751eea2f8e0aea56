package main

import (
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// TestEveryProgramOfANodeHasASource: one that had none would be noticed only on a machine with an empty cache.
func TestEveryProgramOfANodeHasASource(t *testing.T) {
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	all, err := nodeTargets(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(binaries.NodePrograms()) {
		t.Errorf("%d targets for %d programs", len(all), len(binaries.NodePrograms()))
	}
	for _, target := range all {
		if target.name == binaries.Kubelet && !strings.Contains(strings.Join(target.ldflags, " "), "gitVersion="+target.version) {
			t.Errorf("kubelet does not report its version: %v", target.ldflags)
		}
	}
}
