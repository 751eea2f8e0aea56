// Package build makes Warifu's container images from its source: static programs, alone in their images.
package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/warifu/warifu/hack/images/oci"
)

// Program is a program that is published as an image.
type Program struct {
	Name   string // of the image, the full reference less the tag
	Source string // folder of its package main
	Binary string
	User   string // who it runs as where a pod does not say
}

// nobody is who runs what needs no right at all.
const nobody = "65532:65532"

// The programs. The names of the first two are where the chart expects them.
var (
	Operator = Program{Name: "ghcr.io/warifu/operator", Source: "./cmd/operator", Binary: "warifu-operator", User: nobody}
	Proxy    = Program{Name: "ghcr.io/warifu/proxy", Source: "./cmd/proxy", Binary: "warifu-proxy", User: "1774:1774"}
	CLI      = Program{Name: "ghcr.io/warifu/warifu", Source: "./cmd/warifu", Binary: "warifu", User: nobody}
	// Hello is the application of the walkthrough, and is not published.
	Hello = Program{Name: "localhost/warifu/hello", Source: "./hack/cluster/hello", Binary: "hello", User: nobody}
)

// Options of images.
type Options struct {
	Root         string // of the source
	Architecture string // GOARCH
	Tag          string
	Version      string // that the program reports; empty is what Go knows of the source
}

// Image builds the program and packs it.
func Image(ctx context.Context, p Program, o Options) (*oci.Image, error) {
	temp, err := os.MkdirTemp("", "warifu-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	binary := filepath.Join(temp, p.Binary)
	ldflags := "-s -w"
	if o.Version != "" {
		ldflags += " -X github.com/warifu/warifu/internal/version.version=" + o.Version
	}
	compile := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", ldflags, "-o", binary, p.Source)
	compile.Dir, compile.Stderr = o.Root, os.Stderr
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+o.Architecture)
	if err := compile.Run(); err != nil {
		return nil, fmt.Errorf("building %s: %w", p.Source, err)
	}
	return Pack(p.Name+":"+o.Tag, binary, p.User, o.Architecture)
}

// Pack makes an image of a static program.
func Pack(name, binary, user, architecture string) (*oci.Image, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("reading the program of image %s: %w", name, err)
	}
	file := filepath.Base(binary)
	return &oci.Image{
		Name: name, Architecture: architecture, User: user, Entrypoint: []string{"/" + file},
		Files: []oci.File{{Path: file, Mode: 0o755, Data: data}},
	}, nil
}

// ChartTag is the tag that the chart uses where its values name none.
func ChartTag(root string) (string, error) {
	chart, err := os.ReadFile(filepath.Join(root, "charts", "warifu", "Chart.yaml"))
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
