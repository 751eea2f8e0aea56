package inject

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/warifu/warifu/internal/naming"
)

// initContainers are those that the plan adds, in the order in which they must come before everything of the user's: first
// the redirect, so that nothing leaves the pod past the proxy, then the proxy, which the pod's own init containers may need.
func (p *Plan) initContainers(probes string) []corev1.Container {
	if p.DataPlane != naming.DataPlaneSidecar {
		return nil
	}
	return []corev1.Container{p.redirect(), p.proxy(probes)}
}

// redirect sets up the pod's packet filter and ends. It needs NET_ADMIN, and root to use it; nothing else.
func (p *Plan) redirect() corev1.Container {
	context := hardened()
	context.RunAsUser, context.RunAsGroup, context.RunAsNonRoot = ptr.To[int64](0), ptr.To[int64](0), ptr.To(false)
	context.Capabilities.Add = []corev1.Capability{"NET_ADMIN"}
	return corev1.Container{
		Name:            naming.ContainerRedirect,
		Image:           p.Settings.ProxyImage,
		ImagePullPolicy: p.Settings.ProxyImagePullPolicy,
		Args:            append([]string{naming.CommandRedirect}, p.Exclusions.flags()...),
		Resources:       *p.Settings.ProxyResources.DeepCopy(),
		SecurityContext: context,
	}
}

// proxy is a native sidecar: it starts before and ends after everything else, and a Job finishes without it.
func (p *Plan) proxy(probes string) corev1.Container {
	context := hardened()
	context.RunAsUser, context.RunAsGroup = ptr.To[int64](naming.ProxyUID), ptr.To[int64](naming.ProxyUID)
	context.RunAsNonRoot = ptr.To(true)
	return corev1.Container{
		Name:            naming.ContainerProxy,
		Image:           p.Settings.ProxyImage,
		ImagePullPolicy: p.Settings.ProxyImagePullPolicy,
		Args:            []string{naming.CommandRun},
		RestartPolicy:   ptr.To(corev1.ContainerRestartPolicyAlways),
		Env:             p.proxyEnv(probes),
		Resources:       *p.Settings.ProxyResources.DeepCopy(),
		VolumeMounts:    p.proxyMounts(),
		// The next container starts when this one has a configuration and an identity: two minutes, then kubelet tries anew.
		StartupProbe:    adminProbe(naming.PathReady, 1, 120),
		ReadinessProbe:  adminProbe(naming.PathReady, 5, 3),
		LivenessProbe:   adminProbe(naming.PathLive, 10, 6),
		SecurityContext: context,
	}
}

// proxyEnv is the environment of the proxy. The record of probes is left out when there is none.
func (p *Plan) proxyEnv(probes string) []corev1.EnvVar {
	fromPod := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: fieldRef(path)}}
	}
	env := append(p.materialEnv(),
		corev1.EnvVar{Name: naming.EnvControlAddress, Value: p.Settings.ControlAddress},
		corev1.EnvVar{Name: naming.EnvControlIdentity, Value: p.Settings.ControlIdentity},
		fromPod(naming.EnvPodName, "metadata.name"),
		fromPod(naming.EnvPodNamespace, "metadata.namespace"),
		fromPod(naming.EnvPodUID, "metadata.uid"),
	)
	if probes != "" {
		env = append(env, corev1.EnvVar{Name: naming.EnvProbes, Value: probes})
	}
	return env
}

func (p *Plan) proxyMounts() []corev1.VolumeMount {
	mounts := append(materialMounts(),
		corev1.VolumeMount{Name: naming.VolumeToken, MountPath: naming.TokenDir, ReadOnly: true},
		corev1.VolumeMount{Name: naming.VolumeState, MountPath: naming.StateDir},
	)
	for _, volume := range p.ProxyVolumes {
		mounts = append(mounts, corev1.VolumeMount{Name: volume, MountPath: naming.VolumesDir + "/" + volume, ReadOnly: true})
	}
	return mounts
}

// hardened is what both containers have in common; what differs is set by each.
func hardened() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		Privileged:               ptr.To(false),
		AllowPrivilegeEscalation: ptr.To(false),
		ReadOnlyRootFilesystem:   ptr.To(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func adminProbe(path string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromInt32(naming.PortAdmin), Scheme: corev1.URISchemeHTTP,
		}},
		TimeoutSeconds: 3, PeriodSeconds: period, SuccessThreshold: 1, FailureThreshold: failures,
	}
}

// sameContainer tells whether a container that carries our name is the one that the plan makes: an earlier invocation's, not
// somebody's who would like to pass for injected. What runs, as whom and with which files must be equal; what the API server
// and other webhooks add (resources, further mounts and variables) may differ.
func sameContainer(have, want *corev1.Container) bool {
	return have.Image == want.Image &&
		len(have.Command) == 0 && len(have.EnvFrom) == 0 && have.Lifecycle == nil &&
		slices.Equal(have.Args, want.Args) &&
		equality.Semantic.DeepEqual(have.RestartPolicy, want.RestartPolicy) &&
		equality.Semantic.DeepEqual(have.SecurityContext, want.SecurityContext) &&
		includes(have.VolumeMounts, want.VolumeMounts) &&
		equality.Semantic.DeepEqual(lasting(have.Env, want.Env), lasting(want.Env, want.Env))
}

// lasting picks the variables that want names and that do not change between two invocations, as the modes may.
func lasting(env, want []corev1.EnvVar) []corev1.EnvVar {
	return slices.DeleteFunc(slices.Clone(env), func(v corev1.EnvVar) bool {
		named := slices.ContainsFunc(want, func(w corev1.EnvVar) bool { return w.Name == v.Name })
		return !named || pinnable(v.Name)
	})
}

// includes tells whether every mount wanted is there.
func includes(have, want []corev1.VolumeMount) bool {
	for _, w := range want {
		if !slices.ContainsFunc(have, func(h corev1.VolumeMount) bool { return equality.Semantic.DeepEqual(h, w) }) {
			return false
		}
	}
	return true
}
