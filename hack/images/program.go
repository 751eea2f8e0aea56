package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// program is a program of Warifu that has an image.
type program struct {
	target     string // of the Makefile, and the name of the file
	repository string // the reference less the tag
	settings   settings
}

// nobody is who runs what needs no right at all.
const nobody = "65532:65532"

// programs are all that can be built; the first published are, where nothing else is said. The chart expects the names of the
// first two.
var (
	programs = []program{
		{"warifu-operator", "ghcr.io/warifu/operator", settings{User: nobody, Description: "Identities and policies for Kubernetes workloads"}},
		{"warifu-proxy", "ghcr.io/warifu/proxy", settings{User: "1774:1774", Description: "Mutual TLS and authorisation in front of a Kubernetes workload"}},
		{"warifu", "ghcr.io/warifu/warifu", settings{User: nobody, Description: "Explains and validates policies for Kubernetes workloads"}},
		{"hello", "localhost/warifu/hello", settings{User: nobody, Description: "The application of the walkthrough"}},
	}
	published = programs[:3]
)

// choose finds programs by their targets.
func choose(targets []string) ([]program, error) {
	if len(targets) == 0 {
		return published, nil
	}
	var chosen []program
	for _, target := range targets {
		i := slices.IndexFunc(programs, func(p program) bool { return p.target == target })
		if i < 0 {
			return nil, fmt.Errorf("there is no program %q", target)
		}
		chosen = append(chosen, programs[i])
	}
	return chosen, nil
}

// options of a build.
type options struct {
	root          string // of the source
	version       string // of a release; empty is what Go knows of the source
	architectures []string
}

// tag is that of the release, or the one that the chart uses where its values name none.
func (o options) tag() (string, error) {
	if o.version != "" {
		return strings.TrimPrefix(o.version, "v"), nil
	}
	chart, err := os.ReadFile(filepath.Join(o.root, "charts", "warifu", "Chart.yaml"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(chart)) {
		if version, ok := strings.CutPrefix(line, "appVersion:"); ok {
			return strings.Trim(strings.TrimSpace(version), `"`), nil
		}
	}
	return "", fmt.Errorf("the chart has no appVersion")
}

// build compiles the program and makes its image.
func (p program) build(ctx context.Context, o options, architecture, tag string) (*image, error) {
	temp, err := os.MkdirTemp("", "warifu-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	if err := p.compile(ctx, o, architecture, temp); err != nil {
		return nil, err
	}
	s := p.settings
	s.Version = o.version
	return newImage(p.repository+":"+tag, filepath.Join(temp, p.target), s)
}

// compile has make do it: how programs are built is said in one place, for the Dockerfile too.
func (p program) compile(ctx context.Context, o options, architecture, folder string) error {
	command := exec.CommandContext(ctx, "make", "--no-print-directory", "--silent", "-C", o.root, p.target, "OUT="+folder, "VERSION="+o.version)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	own := func(entry string) bool { // what a make above tells the makes below it
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}, name)
	}
	command.Env = append(slices.DeleteFunc(os.Environ(), own), "GOOS=linux", "GOARCH="+architecture)
	if err := command.Run(); err != nil {
		return fmt.Errorf("building %s for %s: %w", p.target, architecture, err)
	}
	return nil
}
