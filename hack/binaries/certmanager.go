package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// buildCertManager builds the program with cert-manager's controllers and copies the CRDs of the same version next to it.
func buildCertManager(ctx context.Context, folder string) error {
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	const module = "github.com/cert-manager/cert-manager"
	version, err := binaries.Version(root, "certmanager", module)
	if err != nil {
		return err
	}
	t := target{
		name: binaries.CertManager, version: version, path: ".",
		dir:   filepath.Join(root, "hack", "binaries", "certmanager"),
		label: fmt.Sprintf("cert-manager's controllers %s", version),
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Building cert-manager's controllers into %s\nThis happens once and takes about four minutes on two cores.\n", folder)
	if err := copyCRDs(ctx, t.dir, module, filepath.Join(folder, binaries.FolderCRDs)); err != nil {
		return fmt.Errorf("copying the CRDs: %w", err)
	}
	if err := build(ctx, t, folder); err != nil {
		return fmt.Errorf("building %s: %w", t.name, err)
	}
	return nil
}

// copyCRDs copies deploy/crds of a module that the module in dir requires.
func copyCRDs(ctx context.Context, dir, module, to string) error {
	if err := goCommand(ctx, dir, "mod", "download", module).Run(); err != nil {
		return err
	}
	out, err := goCommand(ctx, dir, "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(filepath.Join(strings.TrimSpace(string(out)), "deploy", "crds")))
}

func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Stderr = dir, os.Stderr
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	return command
}
