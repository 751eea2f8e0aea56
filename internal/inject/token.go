package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// apiTokenDir is where Kubernetes' ServiceAccount admission mounts the pod's own token, and apiTokenVolume how the names of its
// volumes begin.
const (
	apiTokenDir    = "/var/run/secrets/kubernetes.io/serviceaccount"
	apiTokenVolume = "kube-api-access-"
)

// tokenMounts are what ServiceAccount admission would add to the containers that we add: it has seen the pod without them, and
// looks again. Where it finds nothing to add, the API server need not ask us again either, and the pod is admitted sooner.
// Only a volume is mounted that it would take itself.
func tokenMounts(pod *corev1.Pod) []corev1.VolumeMount {
	i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return strings.HasPrefix(v.Name, apiTokenVolume) })
	if i < 0 || !mountsToken(pod, pod.Spec.Volumes[i].Name) {
		return nil
	}
	return []corev1.VolumeMount{{Name: pod.Spec.Volumes[i].Name, ReadOnly: true, MountPath: apiTokenDir}}
}

// mountsToken says that the pod's containers have the token by a volume of that name, of the kind that admission makes. Where
// the pod does without the token there is none, and admission adds none to ours.
func mountsToken(pod *corev1.Pod, volume string) bool {
	if pod.Spec.AutomountServiceAccountToken != nil && !*pod.Spec.AutomountServiceAccountToken {
		return false
	}
	isToken := func(s corev1.VolumeProjection) bool {
		return s.ServiceAccountToken != nil && s.ServiceAccountToken.Audience == ""
	}
	made := slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == volume && v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, isToken)
	})
	return made && slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), func(c corev1.Container) bool {
		return slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == volume && m.MountPath == apiTokenDir })
	})
}
