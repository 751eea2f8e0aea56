package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/warifu/warifu/internal/testkit/binaries"
)

// controllers are those of kube-controller-manager that tests can see the work of. Those that act on nodes and on the pods
// of missing nodes are left out: tests write pod statuses themselves.
var controllers = []string{
	"serviceaccount-controller", "serviceaccount-token-controller", "root-ca-certificate-publisher-controller",
	"namespace-controller", "garbage-collector-controller", "clusterrole-aggregation-controller",
	"validatingadmissionpolicy-status-controller", "resourcequota-controller",
	"endpointslice-controller", "endpointslice-mirroring-controller",
	"deployment-controller", "replicaset-controller", "statefulset-controller", "daemonset-controller",
	"job-controller", "cronjob-controller", "disruption-controller",
}

// startAPIServer starts etcd and kube-apiserver. envtest chooses free ports, makes the certificates and waits until the
// API server answers.
func (c *Cluster) startAPIServer(o Options) error {
	c.environment = &envtest.Environment{
		UseExistingCluster:       new(false),
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  startTimeout,
	}
	plane := &c.environment.ControlPlane
	plane.Etcd = &envtest.Etcd{DataDir: filepath.Join(c.dir, "etcd-data")}
	server := plane.GetAPIServer()
	server.CertDir = filepath.Join(c.dir, "certificates")
	for _, dir := range []string{plane.Etcd.DataDir, server.CertDir} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	var err error
	if plane.Etcd.Path, plane.Etcd.Out, err = c.guarded(binaries.Etcd); err != nil {
		return err
	}
	if server.Path, server.Out, err = c.guarded(binaries.APIServer); err != nil {
		return err
	}
	plane.Etcd.Err, server.Err = plane.Etcd.Out, server.Out
	plane.KubectlPath = filepath.Join(c.assets, binaries.Kubectl)

	for name, value := range o.EtcdArgs {
		plane.Etcd.Configure().Set(name, value)
	}
	flags := server.Configure()
	// envtest turns ServiceAccount admission off because it runs no controllers; we do.
	flags.Disable("disable-admission-plugins")
	flags.Set("service-cluster-ip-range", "10.96.0.0/16")
	flags.Set("endpoint-reconciler-type", "none")
	flags.Set("enable-priority-and-fairness", "false")
	flags.Set("max-requests-inflight", "2000")
	flags.Set("max-mutating-requests-inflight", "1000")
	for name, value := range o.APIServerArgs {
		flags.Set(name, value)
	}
	c.Config, err = c.environment.Start()
	return err
}

// startControllerManager starts kube-controller-manager and does not wait for it.
func (c *Cluster) startControllerManager() error {
	path, log, err := c.guarded(binaries.ControllerManager)
	if err != nil {
		return err
	}
	server := c.environment.ControlPlane.GetAPIServer()
	rootCA := filepath.Join(c.dir, "root-ca.crt")
	if err := os.WriteFile(rootCA, server.CA, 0o600); err != nil {
		return err
	}
	manager := exec.Command(path,
		"--kubeconfig="+c.Kubeconfig,
		"--controllers="+strings.Join(controllers, ","),
		"--root-ca-file="+rootCA,
		// envtest's name for the file next to its serving certificates.
		"--service-account-private-key-file="+filepath.Join(server.CertDir, "sa-signer.key"),
		"--use-service-account-credentials=false",
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=500", "--kube-api-burst=1000",
	)
	manager.Stdout, manager.Stderr = log, log
	manager.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for the tests; the guard does the rest
	if err := manager.Start(); err != nil {
		return err
	}
	go func() { _ = manager.Wait() }()
	return nil
}

// guarded returns a program that does the same as the one of that name, known to the guard, and the file for its output.
func (c *Cluster) guarded(name string) (path string, log io.Writer, err error) {
	path = filepath.Join(c.dir, name)
	quoted := "'" + strings.ReplaceAll(filepath.Join(c.assets, name), "'", `'\''`) + "'"
	script := "#!/bin/sh\necho $$ > \"$0.pid\"\nexec " + quoted + " \"$@\"\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		return "", nil, err
	}
	log, err = os.Create(path + ".log")
	return path, log, err
}

// logs returns the ends of the programs' outputs, for the error of a start that failed.
func (c *Cluster) logs() error {
	const enough = 2000
	var all []error
	files, _ := filepath.Glob(filepath.Join(c.dir, "*.log"))
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
			all = append(all, fmt.Errorf("%s: …%s", filepath.Base(file), text[max(0, len(text)-enough):]))
		}
	}
	return errors.Join(all...)
}

// guard kills the processes of a folder and removes the folder, as soon as it is released or this process is gone, killed
// or crashed or interrupted. It is a shell that waits for the end of its standard input, which the operating system closes
// for us whatever happens.
type guard struct {
	release func()
	shell   *exec.Cmd
}

const guardScript = `read -r _
for i in 1 2 3; do
	for f in "$1"/*.pid; do [ -s "$f" ] && kill -KILL "$(cat "$f")"; done
	rm -rf "$1" && exit 0
	sleep 0.1
done 2>/dev/null`

func newGuard(dir string) (*guard, error) {
	shell := exec.Command("/bin/sh", "-c", guardScript, "warifu-cluster-guard", dir)
	shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // survives a Ctrl-C that ends its parent
	stdin, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("starting the control plane's guard: %w", err)
	}
	return &guard{shell: shell, release: sync.OnceFunc(func() { _ = stdin.Close() })}, nil
}

// wait releases the guard and returns when it has done its work.
func (g *guard) wait() error {
	g.release()
	if err := g.shell.Wait(); err != nil {
		return fmt.Errorf("cleaning up the control plane: %w", err)
	}
	return nil
}
