package inject

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Apply carries out a plan on the pod, and returns what it changed as a JSON patch for the document that the pod was decoded
// from. What is in place already stays as it is, so that nothing is left to do the second time.
func Apply(plan *Plan, pod *corev1.Pod) []Operation {
	e := &editor{pod: pod}
	for _, volume := range plan.volumes() {
		if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volume.Name }) {
			insert(e, &pod.Spec.Volumes, pathVolumes, len(pod.Spec.Volumes), volume)
		}
	}
	if plan.DataPlane == naming.DataPlaneSidecar {
		e.sidecar(plan)
	} else {
		e.material(plan)
	}
	e.annotations(plan)
	return e.ops
}

// material gives every container the TLS files and the environment: without a proxy, each does TLS itself.
func (e *editor) material(plan *Plan) {
	mounts, env := materialMounts(), plan.materialEnv()
	for c, path := range applicationContainers(e.pod) {
		for _, mount := range mounts {
			if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == mount.MountPath }) {
				insert(e, &c.VolumeMounts, path+"/volumeMounts", len(c.VolumeMounts), mount)
			}
		}
		// Ours come first, so that the application's own variables can refer to them: $(WARIFU_TLS_CERT).
		first := 0
		for _, variable := range env {
			if !slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == variable.Name }) {
				insert(e, &c.Env, path+"/env", first, variable)
				first++
			}
		}
	}
}

// sidecar puts the redirect and the proxy before everything else, and lets the proxy answer the application's probes.
func (e *editor) sidecar(plan *Plan) {
	known, _ := knownProbes(e.pod) // one that cannot be read has been refused
	record := recordJSON(e.rewriteProbes(known))
	token := tokenMounts(e.pod)
	for i, container := range plan.initContainers(record) {
		switch at := initContainer(e.pod, container.Name); {
		case at < 0:
			container.VolumeMounts = append(container.VolumeMounts, token...)
			insert(e, &e.pod.Spec.InitContainers, pathInitContainers, i, container)
		case at != i:
			move(e, e.pod.Spec.InitContainers, pathInitContainers, at, i)
		}
	}
	e.setProbes(record)
}

// setProbes brings the record in the environment of a proxy that was there before up to date.
func (e *editor) setProbes(record string) {
	const proxyIndex = 1
	proxy, path := &e.pod.Spec.InitContainers[proxyIndex], itemPath(pathInitContainers, proxyIndex)+"/env"
	at := slices.IndexFunc(proxy.Env, func(v corev1.EnvVar) bool { return v.Name == naming.EnvProbes })
	switch {
	case at < 0 && record != "":
		insert(e, &proxy.Env, path, len(proxy.Env), corev1.EnvVar{Name: naming.EnvProbes, Value: record})
	case at >= 0 && proxy.Env[at].Value != record:
		proxy.Env[at].Value = record
		e.add(itemPath(path, at)+"/value", record)
	}
}

// recordJSON is the record as the proxy reads it, "" when there is nothing to answer for. It has no dollar sign, because
// kubelet replaces $(NAME) and $$ in the environment, and a path or header of a probe may contain either.
func recordJSON(record proxyconfig.Probes) string {
	if len(record) == 0 {
		return ""
	}
	text, err := json.Marshal(record)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return strings.ReplaceAll(string(text), "$", `\u0024`)
}

// annotations says for people, and for the mode files, what the plan is. They are ours: what a pod brings along is replaced.
func (e *editor) annotations(plan *Plan) {
	e.annotate(naming.AnnotationMTLSMode, string(plan.Mode))
	e.annotate(naming.AnnotationClientTLSMode, string(plan.ClientMode))
	e.annotate(naming.AnnotationIdentity, plan.Identity)
	e.annotate(naming.AnnotationStatus, statusJSON(plan, e.pod))
}

// applicationContainers yields the containers that are not ours, with their paths, in the order in which they start. Only
// fields of the containers may be changed meanwhile.
func applicationContainers(pod *corev1.Pod) iter.Seq2[*corev1.Container, string] {
	return func(yield func(*corev1.Container, string) bool) {
		for i := range pod.Spec.InitContainers {
			if c := &pod.Spec.InitContainers[i]; !ourContainer(c.Name) && !yield(c, itemPath(pathInitContainers, i)) {
				return
			}
		}
		for i := range pod.Spec.Containers {
			if c := &pod.Spec.Containers[i]; !ourContainer(c.Name) && !yield(c, itemPath(pathContainers, i)) {
				return
			}
		}
	}
}

func ourContainer(name string) bool {
	return name == naming.ContainerRedirect || name == naming.ContainerProxy
}

// initContainer is the index of an init container, -1 when there is none of that name.
func initContainer(pod *corev1.Pod, name string) int {
	return slices.IndexFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == name })
}
