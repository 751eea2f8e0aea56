package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// TestIncompleteAssets: of a folder that lacks the controller manager the rest is used.
func TestIncompleteAssets(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	cache, err := binaries.CacheFolder()
	if err != nil {
		t.Fatal(err)
	}
	given := t.TempDir()
	program := func(folder, name string) string {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(path), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := map[string]string{binaries.ControllerManager: program(cache, binaries.ControllerManager)}
	for _, name := range []string{binaries.Etcd, binaries.APIServer, binaries.Kubectl} {
		want[name] = program(given, name)
	}
	t.Setenv(binaries.EnvAssets, given)
	for range 2 { // the second time the links are there
		if err := provide(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := place()
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range want {
		if text, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(text) != path {
			t.Errorf("%s is %q, %v; want %s", name, text, err, path)
		}
	}

	t.Setenv(binaries.EnvAssets, folder)
	if again, err := place(); err != nil || again != folder {
		t.Errorf("a complete folder is not used as it is: %s, %v", again, err)
	}
}
