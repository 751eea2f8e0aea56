package kubelet

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// standIn builds the program that stands in for the proxy.
func standIn(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./testdata/proxy").CombinedOutput()
	if err != nil {
		t.Fatalf("building the stand-in: %v: %s", err, out)
	}
	return path
}
