package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// trial runs tests on changed sources.
type trial struct{ root, temp string }

// suite is some tests of a package.
type suite struct{ pkg, run string }

// healthy runs each suite on the source as it is: where tests fail anyway, they notice nothing.
func (t trial) healthy(ctx context.Context, mutants []mutant) error {
	done := map[suite]bool{}
	for _, m := range mutants {
		if s := m.tests(); !done[s] {
			done[s] = true
			if out, err := t.test(ctx, s); err != nil {
				return fmt.Errorf("%s fails without a mutant: %w\n%s", s.pkg, err, out)
			}
		}
	}
	return nil
}

// try says which test notices the mutant, "" when none does.
func (t trial) try(ctx context.Context, m mutant) (string, error) {
	file := filepath.Join(t.root, m.File)
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	mutated, err := m.apply(string(source))
	if err != nil {
		return "", err
	}
	overlay, err := t.overlay(file, mutated)
	if err != nil {
		return "", err
	}
	out, err := t.test(ctx, m.tests(), "-overlay="+overlay)
	var failed *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &failed):
		return "", err
	case unbuilt.Match(out):
		return "", fmt.Errorf("it does not build:\n%s", out)
	}
	if name := failing.FindSubmatch(out); name != nil {
		return string(name[1]), nil
	}
	return "the end of the test program", nil // a panic outside of tests, or a time-out
}

var (
	unbuilt = regexp.MustCompile(`\[(build|setup) failed\]`)
	failing = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
)

// overlay writes the file that tells the go command what to read in place of a source.
func (t trial) overlay(file, content string) (string, error) {
	mutated, overlay := filepath.Join(t.temp, "mutated.go"), filepath.Join(t.temp, "overlay.json")
	description, err := json.Marshal(map[string]map[string]string{"Replace": {file: mutated}})
	if err != nil {
		return "", err
	}
	return overlay, errors.Join(os.WriteFile(mutated, []byte(content), 0o600), os.WriteFile(overlay, description, 0o600))
}

// test runs tests, which a mutant may keep from ever ending. The flags are also those of what the tests build: the proxy.
func (t trial) test(ctx context.Context, s suite, flags ...string) ([]byte, error) {
	test := exec.CommandContext(ctx, "go", "test", "-vet=off", "-count=1", "-failfast", "-timeout", "5m", "-run", s.run, s.pkg)
	test.Dir = t.root
	test.Env = append(os.Environ(), "GOFLAGS="+strings.Join(append(flags, os.Getenv("GOFLAGS")), " "))
	return test.CombinedOutput()
}
