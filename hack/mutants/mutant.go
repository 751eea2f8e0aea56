package main

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"strings"

	"sigs.k8s.io/yaml"
)

// mutant is one way to break the source.
type mutant struct {
	// About says what is wrong then.
	About string `json:"about"`
	// File in which Old, which it has exactly once, becomes New.
	File string `json:"file"`
	Old  string `json:"old"`
	New  string `json:"new"`
	// Tests is the folder of the package whose tests are to notice it; that of the file where it is empty.
	Tests string `json:"tests,omitempty"`
	// Run selects the tests that need no control plane, in a package that has others; all where it is empty.
	Run string `json:"run,omitempty"`
}

func load(file string) ([]mutant, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	if err := yaml.UnmarshalStrict(raw, &mutants); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return mutants, nil
}

// tests are the package and the tests that are to notice the mutant.
func (m mutant) tests() suite {
	return suite{pkg: "./" + cmp.Or(m.Tests, path.Dir(m.File)), run: m.Run}
}

// apply returns the source with the mutation. One that no longer applies is an error: the source has changed, and with it
// the mutant must.
func (m mutant) apply(source string) (string, error) {
	switch n := strings.Count(source, m.Old); {
	case m.Old == "" || m.Old == m.New:
		return "", fmt.Errorf("it changes nothing")
	case n != 1:
		return "", fmt.Errorf("the old text is there %d times; bring hack/mutants/mutants.yaml up to date", n)
	}
	return strings.Replace(source, m.Old, m.New, 1), nil
}
