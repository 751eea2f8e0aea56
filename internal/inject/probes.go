package inject

import (
	"cmp"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// handler is what kubelet does for a probe or a lifecycle hook, as far as it can be given to the proxy: one of the first
// three is set, and they point into the pod.
type handler struct {
	httpGet   **corev1.HTTPGetAction
	tcpSocket **corev1.TCPSocketAction
	grpc      **corev1.GRPCAction
	// path of the handler in the pod, proxyPath where the proxy answers for it.
	path, proxyPath string
	// timeout of a probe; 0 for a hook.
	timeout int32
}

// handlers lists what a container asks kubelet to do over the network.
func handlers(c *corev1.Container, path string) []handler {
	var out []handler
	probe := func(p *corev1.Probe, field, name string) {
		if p != nil {
			out = append(out, handler{
				httpGet: &p.HTTPGet, tcpSocket: &p.TCPSocket, grpc: &p.GRPC,
				path: path + "/" + field, proxyPath: naming.PathAppHealth + c.Name + "/" + name, timeout: max(p.TimeoutSeconds, 1),
			})
		}
	}
	hook := func(h *corev1.LifecycleHandler, field, name string) {
		if h != nil {
			out = append(out, handler{
				httpGet: &h.HTTPGet, tcpSocket: &h.TCPSocket,
				path: path + "/lifecycle/" + field, proxyPath: naming.PathAppLifecycle + c.Name + "/" + name,
			})
		}
	}
	probe(c.StartupProbe, "startupProbe", "startupz")
	probe(c.ReadinessProbe, "readinessProbe", "readyz")
	probe(c.LivenessProbe, "livenessProbe", "livez")
	if c.Lifecycle != nil {
		hook(c.Lifecycle.PostStart, "postStart", "poststartz")
		hook(c.Lifecycle.PreStop, "preStop", "prestopz")
	}
	return out
}

// rewritten tells whether the handler asks the proxy already.
func (h handler) rewritten() bool {
	get := *h.httpGet
	return get != nil && get.Port == intstr.FromInt32(naming.PortAdmin) && get.Path == h.proxyPath
}

// original is the handler as the proxy has to carry it out. It is false for what is not a network probe, and for a port name
// that the container does not declare: kubelet cannot carry that out either, with or without us.
func (h handler) original(c *corev1.Container) (proxyconfig.Probe, bool) {
	out := proxyconfig.Probe{Path: h.proxyPath, TimeoutSeconds: h.timeout}
	switch {
	case *h.httpGet != nil:
		get := *h.httpGet
		port, ok := portNumber(c, get.Port)
		out.HTTPGet = &proxyconfig.HTTPProbe{
			Scheme: cmp.Or(string(get.Scheme), string(corev1.URISchemeHTTP)),
			Host:   get.Host, Port: port, Path: cmp.Or(get.Path, "/"),
		}
		for _, header := range get.HTTPHeaders {
			out.HTTPGet.Headers = append(out.HTTPGet.Headers, proxyconfig.Header{Name: header.Name, Value: header.Value})
		}
		return out, ok
	case *h.tcpSocket != nil:
		port, ok := portNumber(c, (*h.tcpSocket).Port)
		out.TCPSocket = &proxyconfig.TCPProbe{Host: (*h.tcpSocket).Host, Port: port}
		return out, ok
	case h.grpc != nil && *h.grpc != nil:
		out.GRPC = &proxyconfig.GRPCProbe{Port: (*h.grpc).Port}
		if service := (*h.grpc).Service; service != nil {
			out.GRPC.Service = *service
		}
		return out, true
	}
	return out, false
}

// rewrite points the handler at the proxy. Thresholds, periods and timeouts of the probe around it stay.
func (h handler) rewrite(e *editor) {
	if *h.tcpSocket != nil {
		*h.tcpSocket = nil
		e.remove(h.path + "/tcpSocket")
	}
	if h.grpc != nil && *h.grpc != nil {
		*h.grpc = nil
		e.remove(h.path + "/grpc")
	}
	*h.httpGet = &corev1.HTTPGetAction{Path: h.proxyPath, Port: intstr.FromInt32(naming.PortAdmin), Scheme: corev1.URISchemeHTTP}
	e.add(h.path+"/httpGet", *h.httpGet)
}

// rewriteProbes points every network probe and hook of the application at the proxy, and returns the record of what they
// were. What an earlier invocation has rewritten keeps its entry of the known record.
func (e *editor) rewriteProbes(known proxyconfig.Probes) proxyconfig.Probes {
	var record proxyconfig.Probes
	for c, path := range applicationContainers(e.pod) {
		for _, h := range handlers(c, path) {
			if h.rewritten() {
				if probe, ok := known.Find(h.proxyPath); ok {
					record = append(record, probe)
				}
				continue
			}
			if probe, ok := h.original(c); ok {
				h.rewrite(e)
				record = append(record, probe)
			}
		}
	}
	return record
}

// knownProbes reads the record of an earlier invocation from the proxy's environment.
func knownProbes(pod *corev1.Pod) (proxyconfig.Probes, error) {
	proxy := initContainer(pod, naming.ContainerProxy)
	if proxy < 0 {
		return nil, nil
	}
	var record proxyconfig.Probes
	for _, env := range pod.Spec.InitContainers[proxy].Env {
		if env.Name == naming.EnvProbes {
			if err := json.Unmarshal([]byte(env.Value), &record); err != nil {
				return nil, fmt.Errorf("%s: %w", naming.EnvProbes, err)
			}
		}
	}
	return record, nil
}

func portNumber(c *corev1.Container, port intstr.IntOrString) (int32, bool) {
	if port.Type == intstr.Int {
		return port.IntVal, true
	}
	for _, p := range c.Ports {
		if p.Name == port.StrVal {
			return p.ContainerPort, true
		}
	}
	return 0, false
}
