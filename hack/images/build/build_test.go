package build

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

func root(t *testing.T) string {
	t.Helper()
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestImagesAreThoseOfTheChart: after loading them, helm install needs no value.
func TestImagesAreThoseOfTheChart(t *testing.T) {
	values, err := os.ReadFile(filepath.Join(root(t), "charts", "warifu", "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Program{Operator, Proxy} {
		if !strings.Contains(string(values), "repository: "+p.Name+"\n") {
			t.Errorf("the chart does not use %s", p.Name)
		}
	}
	if tag, err := ChartTag(root(t)); err != nil || strings.Count(tag, ".") != 2 {
		t.Errorf("ChartTag = %q, %v", tag, err)
	}
}

// TestImage builds the smallest program, and checks that it is alone in its image and not root's to run.
func TestImage(t *testing.T) {
	image, err := Image(t.Context(), Proxy, Options{Root: root(t), Architecture: runtime.GOARCH, Tag: "1"})
	if err != nil {
		t.Fatal(err)
	}
	if image.Name != "ghcr.io/warifu/proxy:1" || len(image.Files) != 1 || image.Entrypoint[0] != "/"+image.Files[0].Path || image.Files[0].Mode != 0o755 {
		t.Errorf("image %s: entry point %v", image.Name, image.Entrypoint)
	}
	if !strings.HasPrefix(image.User, "1774:") || naming.ProxyUID != 1774 {
		t.Errorf("the proxy runs as %s, and is injected to run as %d", image.User, naming.ProxyUID)
	}
}
