// Package failure_test does to a running operator what happens in a life: it kills the process at every step, has the API
// server fail in many ways, takes objects away and edits them by hand, and looks for what was lost, orphaned or done twice.
// The operator is a process of its own, with the chart's rights and settings, on a real API server.
package failure_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/app"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// envOperator makes the test binary be the operator: what cmd/operator does, without another program to link, and with the
// race detector where the tests have it.
const envOperator = "WARIFU_TEST_OPERATOR"

func TestMain(m *testing.M) {
	if os.Getenv(envOperator) == "" {
		cluster.Main(m)
	}
	if err := app.NewCommand().ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// installed is the chart on the package's control plane. The API server calls the webhook at a port of this machine.
type installed struct {
	*cluster.Cluster
	webhook string // host:port
}

var once struct {
	sync.Mutex
	installed *installed
}

// install applies the chart as Helm does, once for all tests.
func install(t *testing.T) installed {
	t.Helper()
	once.Lock()
	defer once.Unlock()
	if once.installed != nil {
		return *once.installed
	}
	in := installOn(t, cluster.Require(t))
	once.installed = &in
	return in
}

// installOwn applies the chart on a control plane that is the test's own to harm.
func installOwn(t *testing.T, o cluster.Options) installed {
	t.Helper()
	o.InstallCRDs = true
	return installOn(t, cluster.RequireOwn(t, o))
}

func installOn(t *testing.T, c *cluster.Cluster) installed {
	t.Helper()
	in := installed{c, freeAddress(t)}
	in.create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.DefaultNamespace}})
	in.applyChart(t)
	return in
}

func (in installed) applyChart(t *testing.T) {
	t.Helper()
	rendered, err := chart.Render(chart.Options{Values: map[string]any{"webhook": map[string]any{"url": "https://" + in.webhook}}})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rendered.Objects()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		err := in.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("helm"), client.ForceOwnership)
		if err != nil {
			t.Fatalf("applying %s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
}

// settings writes the chart's configuration file to a file.
func (in installed) settings(t *testing.T) string {
	t.Helper()
	var stored corev1.ConfigMap
	if err := in.Client.Get(t.Context(), client.ObjectKey{Namespace: naming.DefaultNamespace, Name: "warifu-operator"}, &stored); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(stored.Data["config.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (in installed) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := in.Client.Create(t.Context(), object); err != nil {
		t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func (in installed) remove(t *testing.T, object client.Object) {
	t.Helper()
	if err := in.Client.Delete(t.Context(), object); client.IgnoreNotFound(err) != nil {
		t.Fatalf("deleting %T %s: %v", object, object.GetName(), err)
	}
}

// change updates an object until nobody was faster.
func change[T client.Object](t *testing.T, in installed, object T, edit func(T)) {
	t.Helper()
	key := client.ObjectKeyFromObject(object)
	eventually(t, "changing "+key.String(), func(ctx context.Context) string {
		if err := in.Client.Get(ctx, key, object); err != nil {
			return err.Error()
		}
		edit(object)
		if err := in.Client.Update(ctx, object); err != nil {
			return err.Error()
		}
		return ""
	})
}

// eventually polls until there is no problem; with one after a minute the test fails.
func eventually(t *testing.T, what string, problem func(context.Context) string) {
	t.Helper()
	var seen string
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		seen = problem(ctx)
		return seen == "", nil
	})
	if err != nil {
		t.Fatalf("%s: still %s", what, seen)
	}
}
