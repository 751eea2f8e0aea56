package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// EnvRequire makes Require fail where it would skip, when it is set to 1 (CI).
const EnvRequire = "WARIFU_REQUIRE_CLUSTER"

// shared is the control plane of the package under test, started by the first test that asks for it: running one unit
// test of the package costs nothing.
var shared struct {
	sync.Mutex
	started bool
	cluster *Cluster
	err     error
}

// Main is the TestMain of a package whose tests need a control plane: there is one for the package, CRDs installed.
//
//	func TestMain(m *testing.M) { cluster.Main(m) }
func Main(m *testing.M) {
	log.SetLogger(klog.Background())
	code := m.Run()
	if shared.cluster != nil {
		if err := shared.cluster.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// Require returns the package's control plane. Where its binaries are missing the test is skipped, with the command that
// builds them; with WARIFU_REQUIRE_CLUSTER=1 (CI) it fails instead.
func Require(t testing.TB) *Cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.started {
		shared.started = true
		shared.cluster, shared.err = Start(context.Background(), Options{InstallCRDs: true})
	}
	if shared.err == nil {
		return shared.cluster
	}
	err := shared.err
	if !errors.Is(err, binaries.ErrMissing) {
		shared.err = errors.New("the package's control plane did not start: the first test that needed it says why")
	}
	skipOrFail(t, err)
	return nil
}

// RequireOwn is Require for a test that does harm to its control plane: it has one of its own until it ends.
func RequireOwn(t testing.TB, o Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), o)
	if err != nil {
		skipOrFail(t, err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// skipOrFail ends the test for want of a control plane.
func skipOrFail(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, binaries.ErrMissing) && os.Getenv(EnvRequire) != "1" {
		t.Skip(err)
	}
	t.Fatal(err)
}

// Namespace makes a namespace with a unique name and the labels, and waits for its default ServiceAccount. It is deleted
// when the test ends.
func (c *Cluster) Namespace(t testing.TB, labels map[string]string) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: labels}}
	if err := c.Client.Create(t.Context(), namespace); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Client.Delete(ctx, namespace); err != nil {
			t.Errorf("deleting the namespace %s: %v", namespace.Name, err)
		}
	})
	if err := c.waitForServiceAccount(t.Context(), namespace.Name); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}
