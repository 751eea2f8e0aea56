package inject

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/warifu/warifu/internal/naming"
)

// ourVolumes are the volume names that no pod may use for anything else.
var ourVolumes = []string{naming.VolumeTLS, naming.VolumeMode, naming.VolumeToken, naming.VolumeState}

// tokenSeconds is the life of the control API's token; kubelet replaces it at 80 %. An hour is the default of Kubernetes.
const tokenSeconds = 3600

// stateSize bounds what the proxy keeps across its own restarts: one configuration, some megabytes at most.
var stateSize = resource.MustParse("16Mi")

// readable lets containers that run as any user read the files; a volume is seen only where it is mounted.
const readable int32 = 0o644

// volumes are those that the plan adds. Every default is written out, so that what the API server makes of them equals them.
func (p *Plan) volumes() []corev1.Volume {
	volumes := []corev1.Volume{p.tlsVolume(), modeVolume()}
	if p.DataPlane == naming.DataPlaneSidecar {
		volumes = append(volumes, tokenVolume(), stateVolume())
	}
	return volumes
}

// tlsVolume lists the three files by name: a Secret that lacks one keeps the pod waiting instead of starting it half
// equipped, and anything else that the Secret may hold stays out.
func (p *Plan) tlsVolume() corev1.Volume {
	var items []corev1.KeyToPath
	for _, file := range []string{naming.FileCert, naming.FileKey, naming.FileCA} {
		items = append(items, corev1.KeyToPath{Key: file, Path: file})
	}
	return corev1.Volume{Name: naming.VolumeTLS, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
		SecretName: p.IdentitySecret, Items: items, DefaultMode: ptr.To(readable),
	}}}
}

// modeVolume shows the mode annotations as files, which kubelet rewrites when the annotations change.
func modeVolume() corev1.Volume {
	file := func(path, annotation string) corev1.DownwardAPIVolumeFile {
		return corev1.DownwardAPIVolumeFile{Path: path, FieldRef: fieldRef("metadata.annotations['" + annotation + "']")}
	}
	return corev1.Volume{Name: naming.VolumeMode, VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{
		Items: []corev1.DownwardAPIVolumeFile{
			file(naming.FileMTLSMode, naming.AnnotationMTLSMode),
			file(naming.FileClientTLSMode, naming.AnnotationClientTLSMode),
		},
		DefaultMode: ptr.To(readable),
	}}}
}

func tokenVolume() corev1.Volume {
	return corev1.Volume{Name: naming.VolumeToken, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
			Audience: naming.ControlAudience, ExpirationSeconds: ptr.To[int64](tokenSeconds), Path: naming.FileToken,
		}}},
		DefaultMode: ptr.To(readable),
	}}}
}

func stateVolume() corev1.Volume {
	size := stateSize.DeepCopy()
	return corev1.Volume{Name: naming.VolumeState, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
		Medium: corev1.StorageMediumMemory, SizeLimit: &size,
	}}}
}

// materialMounts show a container the TLS files and the modes.
func materialMounts() []corev1.VolumeMount {
	return []corev1.VolumeMount{
		{Name: naming.VolumeTLS, MountPath: naming.TLSDir, ReadOnly: true},
		{Name: naming.VolumeMode, MountPath: naming.ModeDir, ReadOnly: true},
	}
}

// materialEnv tells a container what it is, what is asked of it and where the files are.
func (p *Plan) materialEnv() []corev1.EnvVar {
	return []corev1.EnvVar{
		{Name: naming.EnvMTLSMode, Value: string(p.Mode)},
		{Name: naming.EnvClientTLSMode, Value: string(p.ClientMode)},
		{Name: naming.EnvIdentity, Value: p.Identity},
		{Name: naming.EnvTLSCert, Value: naming.TLSDir + "/" + naming.FileCert},
		{Name: naming.EnvTLSKey, Value: naming.TLSDir + "/" + naming.FileKey},
		{Name: naming.EnvTLSCA, Value: naming.TLSDir + "/" + naming.FileCA},
	}
}

// pinnable tells whether a pod may say an environment variable of ours itself. The modes are information: an application
// may be pinned to one, and the mode files still tell the truth. They also may have changed since an earlier invocation.
// Identity and paths are facts: with other values the application would read files that are not there, or somebody else's.
func pinnable(env string) bool {
	return env == naming.EnvMTLSMode || env == naming.EnvClientTLSMode
}

func fieldRef(path string) *corev1.ObjectFieldSelector {
	return &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}
}
