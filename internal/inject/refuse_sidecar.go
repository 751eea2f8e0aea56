package inject

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/naming"
)

// labelEnforce is the namespace label with the Pod Security level that is enforced.
const labelEnforce = "pod-security.kubernetes.io/enforce"

// refusePodSecurity says so before the API server rejects the redirect container for its capability.
func refusePodSecurity(in Input) *Refusal {
	level := in.Namespace.Labels[labelEnforce]
	if level != "baseline" && level != "restricted" {
		return nil
	}
	return &Refusal{RefusalPodSecurity, "namespace." + labelField(labelEnforce), fmt.Sprintf(
		"the namespace enforces %q, and data plane %q needs NET_ADMIN, which takes %q; change the namespace's level, or label the pod or the namespace %s=%s",
		level, naming.DataPlaneSidecar, "privileged", naming.LabelDataPlane, naming.DataPlaneNone)}
}

// refuseImage says what is missing before the API server finds fault with a container that the pod's author never wrote.
func (p *Plan) refuseImage(Input) *Refusal {
	if p.Settings.ProxyImage != "" {
		return nil
	}
	return &Refusal{RefusalProxyImage, "the operator's setting for the proxy image", fmt.Sprintf(
		"it is empty, and data plane %q needs one; ask whoever runs Warifu to set --proxy-image, or label the pod or the namespace %s=%s",
		naming.DataPlaneSidecar, naming.LabelDataPlane, naming.DataPlaneNone)}
}

func refuseOS(in Input) *Refusal {
	if os := in.Pod.Spec.OS; os == nil || os.Name == corev1.Linux {
		return nil
	}
	return &Refusal{RefusalOS, "spec.os.name", fmt.Sprintf(
		"data plane %q works on Linux only; label the pod %s=%s", naming.DataPlaneSidecar, naming.LabelDataPlane, naming.DataPlaneNone)}
}

// refuseKeyMounts keeps the key in the proxy: a user's container may not mount what is the proxy's.
func (p *Plan) refuseKeyMounts(in Input) *Refusal {
	for c, at := range applicationContainers(in.Pod) {
		for i, mount := range c.VolumeMounts {
			if slices.Contains(ourVolumes, mount.Name) {
				return &Refusal{RefusalKeyMount, fmt.Sprintf("%s.volumeMounts[%d].name", field(at), i), fmt.Sprintf(
					"volume %q is the proxy's alone with data plane %q; remove the mount, or label the pod %s=%s to do TLS in the application",
					mount.Name, naming.DataPlaneSidecar, naming.LabelDataPlane, naming.DataPlaneNone)}
			}
		}
	}
	return nil
}

func refusePorts(in Input) *Refusal {
	for c, at := range applicationContainers(in.Pod) {
		for i, port := range c.Ports {
			tcp := port.Protocol == corev1.ProtocolTCP || port.Protocol == ""
			if tcp && slices.Contains(naming.ReservedPorts(), port.ContainerPort) {
				return &Refusal{RefusalPort, fmt.Sprintf("%s.ports[%d].containerPort", field(at), i), fmt.Sprintf(
					"port %d is the proxy's; let the container listen on another one (the proxy uses %v)", port.ContainerPort, naming.ReservedPorts())}
			}
		}
	}
	return nil
}

// refuseUIDs keeps the application off the user and the group by which the redirect tells the proxy's traffic.
func refuseUIDs(in Input) *Refusal {
	taken := func(field string, id *int64) *Refusal {
		if id == nil || *id != naming.ProxyUID {
			return nil
		}
		return &Refusal{RefusalUID, field, fmt.Sprintf(
			"%d is the proxy's own, whose traffic is not redirected; run the application as another one", naming.ProxyUID)}
	}
	if context := in.Pod.Spec.SecurityContext; context != nil {
		if r := taken("spec.securityContext.runAsUser", context.RunAsUser); r != nil {
			return r
		}
		if r := taken("spec.securityContext.runAsGroup", context.RunAsGroup); r != nil {
			return r
		}
	}
	for c, at := range applicationContainers(in.Pod) {
		if context := c.SecurityContext; context != nil {
			if r := taken(field(at)+".securityContext.runAsUser", context.RunAsUser); r != nil {
				return r
			}
			if r := taken(field(at)+".securityContext.runAsGroup", context.RunAsGroup); r != nil {
				return r
			}
		}
	}
	return nil
}

// refuseExclusions allows only those inbound ports past the proxy that the operator's configuration names: an excluded port
// is a hole in STRICT.
func (p *Plan) refuseExclusions(Input) *Refusal {
	for _, port := range p.Exclusions.InboundPorts {
		if !slices.Contains(p.Settings.ExcludableInboundPorts, port) {
			return &Refusal{RefusalExclusion, annotationField(naming.AnnotationExcludeInboundPorts), fmt.Sprintf(
				"the operator's configuration does not allow port %d past the proxy (allowed: %s); take it off the list, or ask whoever runs Warifu to allow it",
				port, cmp.Or(joined(p.Settings.ExcludableInboundPorts), "none"))}
		}
	}
	return nil
}

// refuseProbes finds probes that ask the proxy although nobody knows any more what they were.
func refuseProbes(in Input) *Refusal {
	known, err := knownProbes(in.Pod)
	if err != nil {
		return &Refusal{RefusalProbe, "spec.initContainers", fmt.Sprintf(
			"the record of probes in container %s cannot be read (%v); remove the container, it is added anew", naming.ContainerProxy, err)}
	}
	for c, at := range applicationContainers(in.Pod) {
		for _, h := range handlers(c, at) {
			if !h.rewritten() {
				continue
			}
			if _, ok := known.Find(h.proxyPath); !ok {
				return &Refusal{RefusalProbe, field(at), fmt.Sprintf(
					"a probe asks the proxy at %s, and what it asked before is not recorded; write the application's own probe", h.proxyPath)}
			}
		}
	}
	return nil
}
