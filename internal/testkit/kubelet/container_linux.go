package kubelet

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/testkit/podnet"
)

// entryPoint is where containers of the proxy's image have their program.
const entryPoint = "/run/warifu-proxy"

// image is the command of the proxy's image.
func (p *Pod) image() podnet.Command {
	return podnet.Command{
		Path:   entryPoint,
		Mounts: []podnet.Mount{{Source: p.node.options.Proxy, Target: entryPoint, ReadOnly: true}},
	}
}

// find is a container of the pod, nil when there is none of that name.
func (p *Pod) find(name string) *corev1.Container {
	spec := p.Object().Spec
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		if i := slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == name }); i >= 0 {
			return &containers[i]
		}
	}
	return nil
}

// in makes of a command one in a container. The container's arguments come first, if the command is its image's.
func (p *Pod) in(name string, c podnet.Command) (podnet.Command, error) {
	container := p.find(name)
	if container == nil {
		return c, fmt.Errorf("%s has no container %s", p.name(), name)
	}
	pod := p.Object()
	env, err := Environment(pod, container)
	if err != nil {
		return c, fmt.Errorf("%s: %w", p.name(), err)
	}
	// An image brings its own PATH; the programs here are this machine's.
	c.Env = slices.Concat([]string{"PATH=" + os.Getenv("PATH")}, env, c.Env)
	if c.Path == entryPoint {
		c.Args = slices.Concat(container.Args, c.Args)
	}
	var mounts []podnet.Mount
	for _, mount := range container.VolumeMounts {
		mounts = append(mounts, podnet.Mount{
			Source: filepath.Join(p.VolumeDir(mount.Name), mount.SubPath), Target: mount.MountPath, ReadOnly: mount.ReadOnly,
		})
	}
	c.Mounts = slices.Concat(mounts, c.Mounts)
	if err := secure(&c, pod.Spec.SecurityContext, container.SecurityContext); err != nil {
		return c, fmt.Errorf("%s, container %s: %w", p.name(), name, err)
	}
	return c, nil
}

// capabilities are those that containers ask for here.
var capabilities = map[corev1.Capability]uintptr{
	"NET_ADMIN": unix.CAP_NET_ADMIN, "NET_BIND_SERVICE": unix.CAP_NET_BIND_SERVICE, "NET_RAW": unix.CAP_NET_RAW,
}

// secure does what the security contexts say; the container's wins.
func secure(c *podnet.Command, pod *corev1.PodSecurityContext, container *corev1.SecurityContext) error {
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	if container == nil {
		container = &corev1.SecurityContext{}
	}
	if user := cmp.Or(container.RunAsUser, pod.RunAsUser); user != nil {
		c.UID = uint32(*user)
	}
	if group := cmp.Or(container.RunAsGroup, pod.RunAsGroup); group != nil {
		c.GID = uint32(*group)
	}
	if escalation := container.AllowPrivilegeEscalation; escalation != nil && !*escalation {
		c.NoNewPrivileges = true
	}
	if only := container.ReadOnlyRootFilesystem; only != nil && *only {
		c.ReadOnlyRoot = true
	}
	if container.Capabilities == nil || !slices.Contains(container.Capabilities.Drop, "ALL") {
		return nil
	}
	c.Capabilities = []uintptr{}
	for _, name := range container.Capabilities.Add {
		number, ok := capabilities[name]
		if !ok {
			return fmt.Errorf("capability %s is not known here", name)
		}
		c.Capabilities = append(c.Capabilities, number)
	}
	return nil
}
