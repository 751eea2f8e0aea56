package binaries

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestCacheFolderIsNamedAfterTheVersions(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/cache")
	folder, err := CacheFolder()
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`^/cache/warifu/kubernetes-v1\.[0-9.]+-etcd-v3\.[0-9.]+-[a-z]+-[a-z0-9]+$`)
	if !want.MatchString(folder) {
		t.Errorf("CacheFolder() = %s; want a match of %s", folder, want)
	}
}

func TestVersionOfAModuleThatIsNotPinned(t *testing.T) {
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if version, err := Version(root, "etcd", "example.com/other"); err == nil {
		t.Errorf("Version = %s; want an error", version)
	}
}

func TestFindNamesWhatIsMissingAndTheWayOut(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(EnvAssets, folder)
	for _, name := range []string{Etcd, APIServer, Kubectl} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Find()
	if !errors.Is(err, ErrMissing) {
		t.Fatalf("Find: %v; want ErrMissing", err)
	}
	for _, want := range []string{ControllerManager, folder, "make binaries", EnvAssets} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not contain %q", err, want)
		}
	}
	if strings.Contains(err.Error(), Kubectl) {
		t.Errorf("%q names a program that is there", err)
	}

	if err := os.WriteFile(filepath.Join(folder, ControllerManager), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if found, err := Find(); err != nil || found != folder {
		t.Errorf("Find = %q, %v; want %q", found, err, folder)
	}
}
