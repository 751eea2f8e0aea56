package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// WorkloadOf, NamespaceOf, NodeOf, ServiceOf and EndpointSliceOf gather from Kubernetes objects what the compiler needs. They
// share no memory with the object, but for a pod's labels: there are many pods, and their labels must not be changed afterwards.
//
// A pod is proxied when its spec, which nobody can change, has the proxy container; labels only explain why one is not.
func WorkloadOf(pod *corev1.Pod) Workload {
	w := Workload{
		Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID),
		Labels:               pod.Labels,
		ServiceAccount:       pod.Spec.ServiceAccountName,
		Node:                 pod.Spec.NodeName,
		Ports:                portsOf(&pod.Spec),
		Finished:             pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed,
		NotProxied:           notProxied(pod),
		ExcludedInboundPorts: excludedPorts(pod.Annotations[naming.AnnotationExcludeInboundPorts]),
	}
	// What cannot be read is left out: the injector refuses such a pod.
	w.ClientWaits, _ = proxyconfig.ParseWaits(pod.Annotations[naming.AnnotationClientWait])
	w.ServiceAccount = w.serviceAccount()
	w.Proxied = w.NotProxied == ""
	if !pod.Spec.HostNetwork && !w.Finished {
		w.IPs = podIPs(&pod.Status)
	}
	return w
}

// notProxied says why no proxy enforces policies in a pod; "" when one does. In the node's network namespace a proxy
// container could not redirect, so hostNetwork comes first.
func notProxied(pod *corev1.Pod) NotProxiedReason {
	isProxy := func(c corev1.Container) bool { return c.Name == naming.ContainerProxy }
	holdsIdentity := func(v corev1.Volume) bool { return v.Name == naming.VolumeTLS }
	switch {
	case pod.Spec.HostNetwork:
		return NotProxiedHostNetwork
	case slices.ContainsFunc(pod.Spec.InitContainers, isProxy), slices.ContainsFunc(pod.Spec.Containers, isProxy):
		return ""
	case pod.Labels[naming.LabelInject] == naming.InjectFalse:
		return NotProxiedOptedOut
	case slices.ContainsFunc(pod.Spec.Volumes, holdsIdentity), pod.Labels[naming.LabelDataPlane] == naming.DataPlaneNone:
		return NotProxiedNoDataPlane
	default:
		return NotProxiedNotInjected
	}
}

// portsOf lists the declared ports of containers and native sidecars, the proxy's own left out.
func portsOf(spec *corev1.PodSpec) []WorkloadPort {
	var out []WorkloadPort
	add := func(c *corev1.Container) {
		if c.Name == naming.ContainerProxy || c.Name == naming.ContainerRedirect {
			return
		}
		for _, p := range c.Ports {
			if p.ContainerPort > 0 && p.ContainerPort <= 65535 {
				out = append(out, WorkloadPort{Name: p.Name, Port: uint16(p.ContainerPort), Protocol: protocolOf(p.Protocol)})
			}
		}
	}
	for i := range spec.Containers {
		add(&spec.Containers[i])
	}
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(c)
		}
	}
	return out
}

// excludedPorts reads the annotation. What is not a port is left out: the injector refuses such a pod.
func excludedPorts(annotation string) []uint16 {
	var out []uint16
	for item := range strings.SplitSeq(annotation, ",") {
		if port, err := strconv.ParseUint(strings.TrimSpace(item), 10, 16); err == nil && port > 0 {
			out = append(out, uint16(port))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func podIPs(status *corev1.PodStatus) []netip.Addr {
	texts := []string{status.PodIP}
	for _, ip := range status.PodIPs {
		texts = append(texts, ip.IP)
	}
	return addresses(texts)
}

// NamespaceOf gathers a Namespace.
func NamespaceOf(ns *corev1.Namespace) Namespace {
	return Namespace{Name: ns.Name, Labels: ns.Labels}.clone()
}

// NodeOf gathers a Node, of which the metadata is enough.
func NodeOf(node *metav1.PartialObjectMetadata) Node {
	return Node{Name: node.Name, Zone: node.Labels[corev1.LabelTopologyZone]}
}

// ServiceOf gathers a Service. The address of a load balancer that takes part in every connection itself is not the
// Service's to us, as it is not to kube-proxy: what is dialled there leaves the cluster.
func ServiceOf(svc *corev1.Service) Service {
	out := Service{
		Namespace: svc.Namespace, Name: svc.Name,
		Selector:     svc.Spec.Selector,
		ClusterIPs:   addresses(append([]string{svc.Spec.ClusterIP}, svc.Spec.ClusterIPs...)),
		ExternalIPs:  addresses(svc.Spec.ExternalIPs),
		SourceRanges: prefixes(svc.Spec.LoadBalancerSourceRanges),
		Headless:     svc.Spec.ClusterIP == corev1.ClusterIPNone,

		InternalLocal:   svc.Spec.InternalTrafficPolicy != nil && *svc.Spec.InternalTrafficPolicy == corev1.ServiceInternalTrafficPolicyLocal,
		AffinitySeconds: affinityOf(&svc.Spec),
	}
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		out.ExternalName = svc.Spec.ExternalName
		out.Selector = nil // Kubernetes ignores it
	}
	for _, ingress := range svc.Status.LoadBalancer.Ingress {
		if ingress.IPMode != nil && *ingress.IPMode == corev1.LoadBalancerIPModeProxy {
			continue
		}
		out.BalancerIPs = append(out.BalancerIPs, addresses([]string{ingress.IP})...)
	}
	out.ExternalIPs = append(out.ExternalIPs, out.BalancerIPs...)
	for _, p := range svc.Spec.Ports {
		if p.Port <= 0 || p.Port > 65535 {
			continue
		}
		port := ServicePort{Name: p.Name, Port: uint16(p.Port), TargetPort: p.TargetPort, Protocol: protocolOf(p.Protocol)}
		if p.AppProtocol != nil {
			port.AppProtocol = *p.AppProtocol
		}
		out.Ports = append(out.Ports, port)
	}
	return out.clone()
}

// affinityOf is the seconds of session affinity by client address; 0 without.
func affinityOf(spec *corev1.ServiceSpec) int32 {
	if spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	if c := spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		return *c.ClientIP.TimeoutSeconds
	}
	return corev1.DefaultClientIPServiceAffinitySeconds
}

// EndpointSliceOf gathers an EndpointSlice. An endpoint whose readiness is not known is ready, as the API says.
func EndpointSliceOf(s *discoveryv1.EndpointSlice) EndpointSlice {
	out := EndpointSlice{Namespace: s.Namespace, Name: s.Name, Service: s.Labels[discoveryv1.LabelServiceName]}
	for _, p := range s.Ports {
		if p.Port == nil || *p.Port <= 0 || *p.Port > 65535 {
			continue
		}
		port := EndpointPort{Port: uint16(*p.Port)}
		if p.Name != nil {
			port.Name = *p.Name
		}
		out.Ports = append(out.Ports, port)
	}
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		var pod types.NamespacedName
		if e.TargetRef != nil && e.TargetRef.Kind == KindPod {
			pod = types.NamespacedName{Namespace: e.TargetRef.Namespace, Name: e.TargetRef.Name}
			if pod.Namespace == "" {
				pod.Namespace = s.Namespace
			}
		}
		// Further addresses of an endpoint are nobody's to use; the API keeps the field a list for history.
		for _, address := range addresses(e.Addresses[:min(len(e.Addresses), 1)]) {
			out.Endpoints = append(out.Endpoints, endpointOf(e, address, pod))
		}
	}
	return out
}

func endpointOf(e *discoveryv1.Endpoint, address netip.Addr, pod types.NamespacedName) Endpoint {
	out := Endpoint{
		Address: address, Pod: pod,
		Ready:       ptr.Deref(e.Conditions.Ready, true),
		Serving:     ptr.Deref(e.Conditions.Serving, true),
		Terminating: ptr.Deref(e.Conditions.Terminating, false),
		Node:        ptr.Deref(e.NodeName, ""),
	}
	if e.Hints != nil {
		for _, zone := range e.Hints.ForZones {
			out.ZoneHints = append(out.ZoneHints, zone.Name)
		}
		for _, node := range e.Hints.ForNodes {
			out.NodeHints = append(out.NodeHints, node.Name)
		}
	}
	return out
}

func protocolOf(p corev1.Protocol) Protocol {
	if p == "" {
		return TCP
	}
	return Protocol(p)
}

// addresses parses what are IP addresses, each once.
// prefixes parses ranges of addresses, which may have space around them, and leaves out what is none.
func prefixes(texts []string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		if prefix, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil {
			out = append(out, prefix)
		}
	}
	return out
}

func addresses(texts []string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		if addr, err := netip.ParseAddr(text); err == nil && !slices.Contains(out, addr.Unmap()) {
			out = append(out, addr.Unmap())
		}
	}
	return out
}
