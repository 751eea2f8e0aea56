package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// container is the world of a pod's first container, made as kubelet would make it: the environment, and the mounted files
// under a root folder. There is no node here; the programs run as processes of this machine.
type container struct {
	pod  *corev1.Pod
	root string
	env  []string
}

// newContainer reads the pod from the API server: only what the injector wrote there gets into the container.
func newContainer(ctx context.Context, api client.Client, key client.ObjectKey, dir string) (*container, error) {
	pod := &corev1.Pod{}
	if err := api.Get(ctx, key, pod); err != nil {
		return nil, err
	}
	c := &container{pod: pod, root: filepath.Join(dir, key.Name)}
	first := pod.Spec.Containers[0]
	var err error
	if c.env, err = kubelet.Environment(pod, &first); err != nil {
		return nil, err
	}
	for _, mount := range first.VolumeMounts {
		if !strings.HasPrefix(mount.MountPath, naming.SecretsDir) {
			continue // the API token is not needed
		}
		if err := c.mount(ctx, api, mount); err != nil {
			return nil, fmt.Errorf("pod %s: %w", key, err)
		}
	}
	return c, nil
}

// mount writes the files of a volume where the container has them.
func (c *container) mount(ctx context.Context, api client.Client, mount corev1.VolumeMount) error {
	at := slices.IndexFunc(c.pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
	if at < 0 {
		return fmt.Errorf("it has no volume %s", mount.Name)
	}
	files, err := kubelet.Files(ctx, api, c.pod, &c.pod.Spec.Volumes[at])
	if err != nil {
		return err
	}
	return kubelet.Write(filepath.Join(c.root, mount.MountPath), files)
}

// command is a program in the container, with nothing in its environment but what the pod says.
func (c *container) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append([]string{"-root", c.root}, args...)...)
	cmd.Env = c.env
	return cmd
}
