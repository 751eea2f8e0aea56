// Package cluster runs a real Kubernetes control plane for tests and for the demo: etcd, kube-apiserver and
// kube-controller-manager as processes of this machine, without nodes. ServiceAccount admission, owner references and garbage
// collection are real.
package cluster

import (
	"context"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cluster is a running control plane.
type Cluster struct {
	// Config is an administrator's.
	Config *rest.Config
	// Client knows Kubernetes' kinds and Warifu's.
	Client client.Client
	// Kubeconfig is the path of a file with Config.
	Kubeconfig string
}

// Options of a control plane.
type Options struct {
	// InstallCRDs installs config/crd/bases.
	InstallCRDs bool
}

// Start starts a control plane; Stop ends it.
func Start(ctx context.Context, o Options) (*Cluster, error) { panic("surface") }

// Stop ends the control plane and removes its data.
func (c *Cluster) Stop() error { panic("surface") }

// Kubectl runs kubectl with the administrator's kubeconfig, stdin from the string, and returns its combined output.
func (c *Cluster) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	panic("surface")
}

// Main is the TestMain of a package whose tests need a control plane: it starts one for the package, CRDs installed.
func Main(m *testing.M) { panic("surface") }

// Require returns the package's control plane. Where its binaries are missing the test is skipped, with the command that
// builds them; with WARIFU_REQUIRE_CLUSTER=1 (CI) it fails instead.
func Require(t testing.TB) *Cluster { panic("surface") }

// Namespace makes a namespace with a unique name and the labels, deleted when the test ends.
func (c *Cluster) Namespace(t testing.TB, labels map[string]string) string { panic("surface") }
