package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// Pod is a pod that runs. Its methods may be called by many goroutines.
type Pod struct {
	// Net is its network.
	Net *podnet.Pod

	node *Node
	dir  string // its volumes
	// refresh: the volumes have one writer, as kubelet's have.
	refresh sync.Mutex

	mu     sync.Mutex
	object *corev1.Pod
	proxy  *podnet.Process
	apps   []*podnet.Process
}

// Object is the pod as the cluster last had it when this kubelet looked.
func (p *Pod) Object() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.object.DeepCopy()
}

// Proxy is the proxy's process that was started last, nil when the pod has no proxy.
func (p *Pod) Proxy() *podnet.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.proxy
}

// Start starts a program in one of the pod's containers: with the container's environment, mounts, user and privileges, to which
// those of the command are added. Where the container says nothing about a user, the command's counts.
func (p *Pod) Start(t testing.TB, container string, c podnet.Command) *podnet.Process {
	t.Helper()
	command, err := p.in(container, c)
	if err != nil {
		t.Fatal(err)
	}
	process := p.Net.Start(t, command)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.apps = append(p.apps, process)
	return process
}

// Exec runs a program in one of the pod's containers, as Start does, to its end, and returns what it wrote.
func (p *Pod) Exec(ctx context.Context, container string, c podnet.Command) (string, error) {
	command, err := p.in(container, c)
	if err != nil {
		return "", err
	}
	return p.Net.Run(ctx, command)
}

// StartProxy starts the proxy, again if it has ended: kubelet would after a while. It waits for nothing, and does nothing when
// the pod has no proxy. The proxy ends with t, which should be the test that the pod belongs to.
func (p *Pod) StartProxy(t testing.TB) {
	t.Helper()
	if p.find(naming.ContainerProxy) == nil {
		return
	}
	command, err := p.in(naming.ContainerProxy, p.image())
	if err != nil {
		t.Fatal(err)
	}
	process := p.Net.Start(t, command)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proxy = process
}

// redirect runs the container that sets up the packet filter, if there is one.
func (p *Pod) redirect(ctx context.Context) error {
	if p.find(naming.ContainerRedirect) == nil {
		return nil
	}
	_, err := p.Exec(ctx, naming.ContainerRedirect, p.image())
	return err
}

// Refresh brings the pod's volumes up to date with the cluster, with new tokens, as kubelet does every minute or so.
func (p *Pod) Refresh(ctx context.Context) error {
	p.refresh.Lock()
	defer p.refresh.Unlock()
	if err := p.look(ctx); err != nil {
		return err
	}
	pod := p.Object()
	for _, volume := range pod.Spec.Volumes {
		dir := p.VolumeDir(volume.Name)
		if volume.EmptyDir != nil {
			// Whoever runs in the pod may write to it.
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o777)); err != nil {
				return err
			}
			continue
		}
		files, err := Files(ctx, p.node.options.Client, pod, &volume)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
		if err := Write(dir, files); err != nil {
			return fmt.Errorf("%s, volume %s: %w", p.name(), volume.Name, err)
		}
	}
	return nil
}

// awaitVolumes waits, as kubelet does, for what the volumes need.
func (p *Pod) awaitVolumes(ctx context.Context) error {
	return until(ctx, func() error { return p.Refresh(ctx) })
}

// VolumeDir is where the files of a volume are, for a test to change them under the hands of whoever reads them: with Write, as
// kubelet would. Refresh puts them right.
func (p *Pod) VolumeDir(name string) string { return filepath.Join(p.dir, name) }

// look reads the pod from the cluster.
func (p *Pod) look(ctx context.Context) error {
	object := p.Object()
	if err := p.node.options.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.object = object
	return nil
}

func (p *Pod) name() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "pod " + p.object.Namespace + "/" + p.object.Name
}

// until tries again until there is no error or ctx is done; then it is the last error.
func until(ctx context.Context, try func() error) error {
	const pause = 20 * time.Millisecond
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}
