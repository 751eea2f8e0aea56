package inject

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/warifu/warifu/internal/naming"
)

// refuse returns the first thing in the pod that the plan cannot live with. Nothing of the user's is ever overwritten:
// where both want the same name, path or port, the user is told.
func (p *Plan) refuse(in Input) *Refusal {
	checks := []func(Input) *Refusal{p.refuseContainers, p.refuseVolumes, p.refuseMounts}
	if p.DataPlane == naming.DataPlaneSidecar {
		checks = append(checks, p.refuseImage, p.refuseKeyMounts, refusePodSecurity, refuseOS, refusePorts, refuseUIDs, p.refuseExclusions, refuseProbes)
	} else {
		checks = append(checks, p.refuseEnv)
	}
	for _, check := range checks {
		if refusal := check(in); refusal != nil {
			return refusal
		}
	}
	return nil
}

// refuseContainers finds containers that carry our names and are not what the plan makes.
func (p *Plan) refuseContainers(in Input) *Refusal {
	ours := p.initContainers("")
	for i := range in.Pod.Spec.InitContainers {
		have := &in.Pod.Spec.InitContainers[i]
		if !ourContainer(have.Name) {
			continue
		}
		at := slices.IndexFunc(ours, func(c corev1.Container) bool { return c.Name == have.Name })
		switch {
		case at < 0:
			return &Refusal{RefusalContainer, fmt.Sprintf("spec.initContainers[%d].name", i), fmt.Sprintf(
				"%q is the name of Warifu's own container, which data plane %q does not have; remove it, or label the pod %s=%s",
				have.Name, p.DataPlane, naming.LabelDataPlane, naming.DataPlaneSidecar)}
		case !sameContainer(have, &ours[at]):
			return &Refusal{RefusalContainer, fmt.Sprintf("spec.initContainers[%d]", i), fmt.Sprintf(
				"%q is the name of Warifu's own container, and this one is not what would be injected; remove it (a pod copied from a running one"+
					" carries it), or, if another webhook rewrites images, set the operator's proxy image to the rewritten name %q", have.Name, have.Image)}
		}
	}
	for i, c := range in.Pod.Spec.Containers {
		if ourContainer(c.Name) {
			return &Refusal{RefusalContainer, fmt.Sprintf("spec.containers[%d].name", i),
				fmt.Sprintf("%q is the name of Warifu's own container; give yours another name", c.Name)}
		}
	}
	return nil
}

// refuseVolumes finds volumes that carry our names and are not what the plan makes.
func (p *Plan) refuseVolumes(in Input) *Refusal {
	ours := p.volumes()
	for i, have := range in.Pod.Spec.Volumes {
		if !slices.Contains(ourVolumes, have.Name) {
			continue
		}
		same := slices.ContainsFunc(ours, func(want corev1.Volume) bool { return equality.Semantic.DeepEqual(have, want) })
		if !same {
			return &Refusal{RefusalVolume, fmt.Sprintf("spec.volumes[%d].name", i), fmt.Sprintf(
				"%q is the name of Warifu's own volume, and this one is not what would be injected; give yours another name", have.Name)}
		}
	}
	return nil
}

// refuseMounts finds mounts where ours go. All that Warifu mounts is below one folder, and that folder is reserved.
func (p *Plan) refuseMounts(in Input) *Refusal {
	ours := materialMounts()
	for c, at := range applicationContainers(in.Pod) {
		for i, mount := range c.VolumeMounts {
			if !reserved(mount.MountPath) {
				continue
			}
			if p.DataPlane == naming.DataPlaneNone && slices.ContainsFunc(ours, func(m corev1.VolumeMount) bool { return equality.Semantic.DeepEqual(m, mount) }) {
				continue
			}
			return &Refusal{RefusalMount, fmt.Sprintf("%s.volumeMounts[%d].mountPath", field(at), i), fmt.Sprintf(
				"%s belongs to Warifu; mount volume %q outside %s", mount.MountPath, mount.Name, naming.SecretsDir)}
		}
	}
	return nil
}

// reserved tells whether a path is in the folder of our mounts. /var/run is a link to /run in most images, and kubelet takes
// a path without a slash in front to begin at the root.
func reserved(mountPath string) bool {
	clean := path.Clean("/" + mountPath)
	if strings.HasPrefix(clean, "/run/") {
		clean = "/var" + clean
	}
	return clean == naming.SecretsDir || strings.HasPrefix(clean, naming.SecretsDir+"/")
}

// refuseEnv finds variables of ours that the user has set to something else, but for those that may be (see pinnable).
func (p *Plan) refuseEnv(in Input) *Refusal {
	ours := p.materialEnv()
	for c, at := range applicationContainers(in.Pod) {
		for i, have := range c.Env {
			want := slices.IndexFunc(ours, func(v corev1.EnvVar) bool { return v.Name == have.Name })
			if want < 0 || pinnable(have.Name) || equality.Semantic.DeepEqual(have, ours[want]) {
				continue
			}
			return &Refusal{RefusalEnv, fmt.Sprintf("%s.env[%d]", field(at), i), fmt.Sprintf(
				"%s is set by Warifu, to %q here; remove it from the container", have.Name, ours[want].Value)}
		}
	}
	return nil
}

// field writes a path of a patch the way people write it: /spec/containers/0 as spec.containers[0].
func field(patchPath string) string {
	list, index := path.Split(patchPath)
	return strings.ReplaceAll(strings.Trim(list, "/"), "/", ".") + "[" + index + "]"
}
