package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/testkit/podnet"
)

// Stop ends the pod as its deletion does on a node: the cluster marks it as terminating, the application is asked to end, then
// the proxy, and whatever is left when the grace period is over is killed; then the pod is gone from the cluster and the network.
// The error says who did not end well: by its exit code, or because it had to be killed. An application may die of SIGTERM.
func (p *Pod) Stop(ctx context.Context) error {
	pod := p.Object()
	if err := client.IgnoreNotFound(p.node.options.Client.Delete(ctx, pod)); err != nil {
		return fmt.Errorf("%s: deleting it: %w", p.name(), err)
	}
	grace := time.Duration(ptr.Deref(pod.Spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)) * time.Second
	deadline, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	p.mu.Lock()
	apps, proxy := p.apps, p.proxy
	p.mu.Unlock()
	problems := stopAll(deadline, apps)
	if proxy != nil {
		problems = append(problems, stop(deadline, proxy))
	}
	problems = append(problems, client.IgnoreNotFound(p.hasEnded(ctx)), p.forget(ctx))
	p.Net.Remove()
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("stopping %s: %w", p.name(), err)
	}
	return nil
}

// stopAll stops processes side by side.
func stopAll(ctx context.Context, processes []*podnet.Process) []error {
	problems := make([]error, len(processes))
	var running sync.WaitGroup
	for i, process := range processes {
		running.Go(func() {
			if err := stop(ctx, process); !endedBy(err, syscall.SIGTERM) {
				problems[i] = err
			}
		})
	}
	running.Wait()
	return problems
}

// stop asks a process to end, if it has not already.
func stop(ctx context.Context, process *podnet.Process) error {
	select {
	case <-process.Done():
		return nil
	default:
		return process.Stop(ctx)
	}
}

func endedBy(err error, signal syscall.Signal) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == signal
}

// forget removes the pod from the cluster at once, if it is still this one.
func (p *Pod) forget(ctx context.Context) error {
	pod := p.Object()
	err := p.node.options.Client.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
	if apierrors.IsConflict(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}
