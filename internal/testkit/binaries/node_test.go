package binaries

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindNodeNamesWhatIsMissingAndTheWayOut(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	folder, err := NodeFolder()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(filepath.Base(folder), "node-v1.") {
		t.Errorf("NodeFolder() = %s; want it named after the version of Kubernetes", folder)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range NodePrograms() {
		_, err := FindNode()
		if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "make node-binaries") {
			t.Errorf("FindNode without %s: %v; want ErrMissing with the program and the way out", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := FindNode(); err != nil || found != folder {
		t.Errorf("FindNode = %q, %v; want %q", found, err, folder)
	}
}
