// Package cluster runs a real Kubernetes control plane for tests and for the demo: etcd, kube-apiserver and
// kube-controller-manager as processes of this machine, without nodes. ServiceAccount admission, owner references and garbage
// collection are real.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	warifuv1alpha1 "github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// startTimeout is generous: on a loaded machine with two cores each process may take many times its usual two seconds.
const startTimeout = time.Minute

// Cluster is a running control plane.
type Cluster struct {
	// Config is an administrator's.
	Config *rest.Config
	// Client knows Kubernetes' kinds and Warifu's.
	Client client.Client
	// Kubeconfig is the path of a file with Config.
	Kubeconfig string

	dir         string // all data; removed by the guard
	assets      string // the programs
	environment *envtest.Environment
	guard       *guard
	apiServer   []string // the arguments of a killed API server
}

// Options of a control plane.
type Options struct {
	// InstallCRDs installs config/crd/bases.
	InstallCRDs bool
	// APIServerArgs are more flags of kube-apiserver, without dashes ("feature-gates": "X=true"); they win over ours.
	APIServerArgs map[string]string
	// EtcdArgs are more flags of etcd, likewise.
	EtcdArgs map[string]string
}

// Start starts a control plane; Stop ends it. It also ends, and its data is removed, when this process dies in any way or
// ctx is done before Start returns. binaries.ErrMissing says that the programs have not been built.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	assets, err := binaries.Find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "warifu-cluster-")
	if err != nil {
		return nil, fmt.Errorf("making the control plane's folder: %w", err)
	}
	guard, err := newGuard(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	c := &Cluster{dir: dir, assets: assets, guard: guard, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	defer context.AfterFunc(ctx, guard.release)()
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the control plane: %w", err), c.Stop())
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, o Options) error {
	if err := c.startAPIServer(o); err != nil {
		return errors.Join(err, c.logs())
	}
	if err := os.WriteFile(c.Kubeconfig, c.environment.KubeConfig, 0o600); err != nil {
		return err
	}
	known, err := newScheme()
	if err != nil {
		return err
	}
	if c.Client, err = client.New(c.Config, client.Options{Scheme: known}); err != nil {
		return err
	}
	if err := c.startControllerManager(); err != nil {
		return err
	}
	if o.InstallCRDs {
		if err := c.installCRDs(); err != nil {
			return err
		}
	}
	if err := c.waitForServiceAccount(ctx, corev1.NamespaceDefault); err != nil {
		return errors.Join(err, c.logs())
	}
	return nil
}

// Stop ends the control plane and removes its data. The processes are killed: nothing of them is needed afterwards, and
// kube-apiserver waits up to a minute for its watchers when asked politely. It takes the same path as a crash of ours, so
// envtest's own Stop has nothing left to do.
func (c *Cluster) Stop() error { return c.guard.wait() }

func (c *Cluster) installCRDs() error {
	root, err := binaries.ModuleRoot()
	if err != nil {
		return err
	}
	_, err = envtest.InstallCRDs(c.Config, envtest.CRDInstallOptions{
		Paths:              []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfPathMissing: true,
		MaxTime:            startTimeout,
	})
	return err
}

// waitForServiceAccount waits until the namespace has its default ServiceAccount, without which no pod is admitted. It
// also proves that the controllers run.
func (c *Cluster) waitForServiceAccount(ctx context.Context, namespace string) error {
	key := client.ObjectKey{Namespace: namespace, Name: "default"}
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, startTimeout, true, func(ctx context.Context) (bool, error) {
		err := c.Client.Get(ctx, key, &corev1.ServiceAccount{})
		return err == nil, client.IgnoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("waiting for the ServiceAccount %s: %w", key, err)
	}
	return nil
}

// newScheme knows cert-manager's kinds from the start, wherever they are installed: a scheme that is in use cannot be changed.
func newScheme() (*runtime.Scheme, error) {
	known := runtime.NewScheme()
	return known, errors.Join(
		scheme.AddToScheme(known),
		apiextensionsv1.AddToScheme(known),
		warifuv1alpha1.AddToScheme(known),
		certmanagerv1.AddToScheme(known),
	)
}
