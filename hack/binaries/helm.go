package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

func runHelm(ctx context.Context, printOnly bool) error {
	folder, err := binaries.HelmFolder()
	if err != nil {
		return err
	}
	if printOnly {
		_, err := fmt.Println(folder)
		return err
	}
	if binaries.HasHelm(folder) {
		return nil
	}
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	version, err := binaries.Version(root, "helm", "helm.sh/helm/v4")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Building Helm into %s\nThis happens once and takes about two minutes on two cores.\n", folder)
	return build(ctx, target{
		name: binaries.Helm, version: version, path: "helm.sh/helm/v4/cmd/helm",
		dir:   filepath.Join(root, "hack", "binaries", "helm"),
		label: fmt.Sprintf("%s %s", binaries.Helm, version),
	}, folder)
}
