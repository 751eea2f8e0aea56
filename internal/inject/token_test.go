package inject

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// withToken is a pod as ServiceAccount admission leaves it.
func withToken(edit func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{
		Volumes: []corev1.Volume{{Name: "data"}, {Name: "kube-api-access-x7k2p", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}},
		}}}},
		Containers: []corev1.Container{{Name: "app", VolumeMounts: []corev1.VolumeMount{{Name: "kube-api-access-x7k2p", ReadOnly: true, MountPath: apiTokenDir}}}},
	}}
	edit(pod)
	return pod
}

func TestTokenMounts(t *testing.T) {
	tests := []struct {
		name string
		edit func(*corev1.Pod)
		want []corev1.VolumeMount
	}{
		{"as admission leaves it", func(*corev1.Pod) {}, []corev1.VolumeMount{{Name: "kube-api-access-x7k2p", ReadOnly: true, MountPath: apiTokenDir}}},
		{"no such volume", func(p *corev1.Pod) { p.Spec.Volumes = p.Spec.Volumes[:1] }, nil},
		{"not mounted", func(p *corev1.Pod) { p.Spec.Containers[0].VolumeMounts = nil }, nil},
		{"mounted elsewhere", func(p *corev1.Pod) { p.Spec.Containers[0].VolumeMounts[0].MountPath = "/token" }, nil},
		{"the pod does without", func(p *corev1.Pod) { p.Spec.AutomountServiceAccountToken = new(bool) }, nil},
		{"another kind of volume", func(p *corev1.Pod) {
			p.Spec.Volumes[1].VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
		}, nil},
		{"for another audience", func(p *corev1.Pod) { p.Spec.Volumes[1].Projected.Sources[0].ServiceAccountToken.Audience = "vault" }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, tokenMounts(withToken(test.edit))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
