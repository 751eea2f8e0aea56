// Command controlplane is the demo for machines that cannot run a node: on a real Kubernetes control plane alone, from an empty
// cluster to two programs that prove who they are. It ends with a list of what was checked, and fails if anything was not as
// it should be.
//
// It needs bin/warifu-operator, bin/warifu and the binaries of the control plane: make demo-control-plane builds them first.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/warifu/warifu/hack/demo/report"
	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// demo is what the steps share.
type demo struct {
	report   *report.Report
	root     string // of the source tree
	dir      string // for files of this run
	cluster  *cluster.Cluster
	operator *operator
}

func main() {
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	d := &demo{report: report.New(os.Stdout)}
	err := d.run(ctx)
	stop()
	if !d.report.Close(err) {
		os.Exit(1)
	}
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.root, err = binaries.ModuleRoot(); err != nil {
		return err
	}
	if err := os.Chdir(d.root); err != nil { // paths in commands are those that a reader would type
		return err
	}
	if d.dir, err = os.MkdirTemp("", "warifu-demo-"); err != nil {
		return err
	}
	defer os.RemoveAll(d.dir)
	ctx, cancel := context.WithCancel(ctx)
	defer d.stop()
	defer cancel()
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"A Kubernetes control plane", d.startCluster},
		{"The chart", d.install},
		{"The operator", d.startOperator},
		{"A namespace opts in", d.optIn},
		{"Policies and pods", d.apply},
		{"Identities", d.certificates},
		{"An injected pod", d.injectedPod},
		{"What the policies say about themselves", d.policies},
		{"Questions", d.explain},
		{"A handshake", d.handshake},
	} {
		d.report.Step(step.title)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(step.title), err)
		}
	}
	return nil
}

func (d *demo) startCluster(ctx context.Context) (err error) {
	started := time.Now()
	if d.cluster, err = cluster.Start(ctx, cluster.Options{}); err != nil {
		return err
	}
	elapsed := time.Since(started).Round(100 * time.Millisecond)
	d.report.Say("etcd, kube-apiserver and kube-controller-manager run as processes of this machine, started in %s.", elapsed)
	d.report.Say("There is no node: what kubelet would do at the end of this demo is done by the demo.")
	return d.kubectl(ctx, "version")
}

// stop ends what was started, the operator first so that it does not see its API server vanish.
func (d *demo) stop() {
	if d.operator != nil {
		d.operator.stop()
	}
	if d.cluster != nil {
		if err := d.cluster.Stop(); err != nil {
			d.report.Say("%v", err)
		}
	}
}

// kubectl runs a command and shows both it and its output.
func (d *demo) kubectl(ctx context.Context, args ...string) error {
	d.report.Command(append([]string{"kubectl"}, args...)...)
	out, err := d.cluster.Kubectl(ctx, "", args...)
	if err != nil {
		return err
	}
	d.report.Block(out)
	return nil
}

// until waits until something is so. The last error of looking is part of the error.
func (d *demo) until(ctx context.Context, what string, so func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		if err := d.operator.exited(); err != nil {
			return false, err
		}
		err := so(ctx)
		if ctx.Err() == nil { // out of time is not what is wrong
			last = err
		}
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting until %s: %w: %w\nThe end of the operator's log:\n%s", what, err, last, d.operator.tail())
	}
	return nil
}

// build builds a program of the demo.
func (d *demo) build(ctx context.Context, name, path string) (string, error) {
	binary := filepath.Join(d.dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, path)
	build.Dir = d.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", path, err, out)
	}
	return binary, nil
}
