package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
)

// container is the world of a pod's first container, made as kubelet would make it: the environment, and the mounted files
// under a root folder. There is no node here; the programs run as processes of this machine.
type container struct {
	pod  *corev1.Pod
	root string
	env  []string
}

// newContainer reads the pod from the API server: only what the injector wrote there gets into the container.
func newContainer(ctx context.Context, reader client.Reader, key client.ObjectKey, dir string) (*container, error) {
	pod := &corev1.Pod{}
	if err := reader.Get(ctx, key, pod); err != nil {
		return nil, err
	}
	c := &container{pod: pod, root: filepath.Join(dir, key.Name)}
	first := pod.Spec.Containers[0]
	for _, variable := range first.Env {
		c.env = append(c.env, variable.Name+"="+variable.Value)
	}
	for _, mount := range first.VolumeMounts {
		if !strings.HasPrefix(mount.MountPath, naming.SecretsDir) {
			continue // the API token is not needed
		}
		files, err := c.volume(ctx, reader, mount.Name)
		if err != nil {
			return nil, fmt.Errorf("pod %s, volume %s: %w", key, mount.Name, err)
		}
		if err := write(filepath.Join(c.root, mount.MountPath), files); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// volume returns the files of a volume.
func (c *container) volume(ctx context.Context, reader client.Reader, name string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, volume := range c.pod.Spec.Volumes {
		switch {
		case volume.Name != name:
		case volume.Secret != nil:
			secret := &corev1.Secret{}
			key := client.ObjectKey{Namespace: c.pod.Namespace, Name: volume.Secret.SecretName}
			if err := reader.Get(ctx, key, secret); err != nil {
				return nil, err
			}
			for _, item := range volume.Secret.Items {
				files[item.Path] = secret.Data[item.Key]
			}
			return files, nil
		case volume.DownwardAPI != nil:
			for _, item := range volume.DownwardAPI.Items {
				annotation := strings.TrimSuffix(strings.TrimPrefix(item.FieldRef.FieldPath, "metadata.annotations['"), "']")
				files[item.Path] = []byte(c.pod.Annotations[annotation])
			}
			return files, nil
		}
	}
	return nil, errors.New("neither a Secret nor pod annotations")
}

func write(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// command is a program in the container, with nothing in its environment but what the pod says.
func (c *container) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, append([]string{"-root", c.root}, args...)...)
	cmd.Env = c.env
	return cmd
}
