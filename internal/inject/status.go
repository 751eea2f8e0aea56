package inject

import (
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
)

// Status is the value of the annotation warifu.dev/status: what was added to the pod, for people. Nothing decides by it.
type Status struct {
	// Version of Warifu that injected.
	Version   string `json:"version"`
	DataPlane string `json:"dataPlane"`
	// InitContainers and Volumes that were added.
	InitContainers []string `json:"initContainers,omitempty"`
	Volumes        []string `json:"volumes"`
	// Containers that were given the TLS files and the environment.
	Containers []string `json:"containers"`
	// Probes are the containers whose probes and hooks the proxy answers.
	Probes []string `json:"probes,omitempty"`
}

// statusJSON describes an injected pod. It looks at the pod, not at what was done this time, so that it is the same after
// every invocation.
func statusJSON(plan *Plan, pod *corev1.Pod) string {
	status := Status{Version: plan.Settings.Version, DataPlane: plan.DataPlane, Containers: []string{}}
	for _, volume := range plan.volumes() {
		status.Volumes = append(status.Volumes, volume.Name)
	}
	if plan.DataPlane == naming.DataPlaneSidecar {
		status.InitContainers = []string{naming.ContainerRedirect, naming.ContainerProxy}
		status.Containers = []string{naming.ContainerProxy}
	}
	for c, path := range applicationContainers(pod) {
		if plan.DataPlane == naming.DataPlaneNone {
			status.Containers = append(status.Containers, c.Name)
		} else if slices.ContainsFunc(handlers(c, path), handler.rewritten) {
			status.Probes = append(status.Probes, c.Name)
		}
	}
	text, err := json.Marshal(status)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(text)
}
