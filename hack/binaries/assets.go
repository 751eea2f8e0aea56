package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// place is the folder of the control plane: the cache, or what KUBEBUILDER_ASSETS names. Where that lacks programs, as
// envtest's own downloads lack the controller manager, it is a folder of links to them and to the cache's.
func place() (string, error) {
	given, err := binaries.Folder()
	if err != nil || os.Getenv(binaries.EnvAssets) == "" || len(binaries.Missing(given)) == 0 {
		return given, err
	}
	cache, err := binaries.CacheFolder()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(given))
	return cache + "-and-" + hex.EncodeToString(sum[:6]), nil
}

// provide builds what is missing, and links where there is something to link.
func provide(ctx context.Context) error {
	given, err := binaries.Folder()
	if err != nil {
		return err
	}
	missing := binaries.Missing(given)
	if len(missing) == 0 {
		return nil
	}
	cache, err := binaries.CacheFolder()
	if err != nil {
		return err
	}
	toBuild := slices.DeleteFunc(binaries.Missing(cache), func(name string) bool { return !slices.Contains(missing, name) })
	if len(toBuild) > 0 {
		if err := buildAll(ctx, cache, toBuild); err != nil {
			return err
		}
	}
	folder, err := place()
	if err != nil || folder == given {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s has no %s: taking it from %s\n", given, missing, cache)
	return link(folder, given, cache, missing)
}

// link makes a folder of links to the programs that are given and to those of the cache that are not.
func link(folder, given, cache string, missing []string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, name := range binaries.Programs() {
		from, at := given, filepath.Join(folder, name)
		if slices.Contains(missing, name) {
			from = cache
		}
		if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(filepath.Join(from, name), at); err != nil {
			return err
		}
	}
	return nil
}
