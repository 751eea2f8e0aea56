// Package helm_test installs, upgrades, rolls back and uninstalls charts/warifu with Helm itself on a real API server. The
// control plane is the package's own, without the CRDs: Helm brings them.
package helm_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// release is the chart's only release of a cluster.
type release struct {
	*cluster.Cluster
	helm string
	// current and first are the folders of the chart as it is and as it was at first.
	current, first string
}

// start starts a control plane and finds Helm. Where a program is missing the test is skipped, or fails in CI.
func start(t *testing.T) release {
	t.Helper()
	helm, err := binaries.FindHelm()
	if err == nil {
		_, err = binaries.Find()
	}
	if errors.Is(err, binaries.ErrMissing) && os.Getenv(cluster.EnvRequire) != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	current, err := chart.Dir()
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return release{c, helm, current, filepath.Join("testdata", "first")}
}

// run runs a command of Helm and returns what it says.
func (r release) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.try(t, args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (r release) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), r.helm, append(slices.Clone(args), "--namespace", naming.DefaultNamespace)...)
	home := t.TempDir()
	command.Env = append(os.Environ(), "KUBECONFIG="+r.Kubeconfig, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	out, err := command.CombinedOutput()
	return string(out), err
}

func eventually(t *testing.T, what string, done func(ctx context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, done); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
