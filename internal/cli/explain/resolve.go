package explain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/policy"
)

// View is what questions are asked about: the compiled policies, and the Services, of which the index keeps no list.
type View struct {
	Index    *policy.Index
	Services []policy.Service
}

// endpoint is the pod and port that a question is about, and how the client came to it.
type endpoint struct {
	workload policy.Workload
	port     uint16
	// dialled is the destination of the client's policies. Its Service is empty where none leads to the port.
	dialled policy.Destination
	// http is true where a Service declares the port HTTP.
	http  bool
	notes []string
}

// resolve finds what a target names. A pod comes before a Service of its name, unless only the Service has the port.
func (v *View) resolve(t Target) (endpoint, error) {
	pod, isPod := v.Index.Workload(t.NamespacedName)
	service := v.service(t.NamespacedName)
	var to endpoint
	var err error
	switch {
	case !isPod && service == nil:
		return endpoint{}, fmt.Errorf("there is no Pod and no Service %s", t.NamespacedName)
	case !isPod, service != nil && t.Port != 0 && !declares(pod, t.Port) && hasPort(service, t.Port):
		to, err = v.throughService(service, t.Port)
	default:
		to, err = v.pod(pod, t.Port)
	}
	if err != nil {
		return endpoint{}, err
	}
	to.http = v.Index.HTTPPort(to.workload, to.port)
	return to, nil
}

// pod is the endpoint of a pod that is named itself. Clients come to a pod through a Service, so the policies of the first
// one, by name, that leads to the port are those that hold; without one the pod is dialled by its address.
func (v *View) pod(w policy.Workload, port uint16) (endpoint, error) {
	if port == 0 {
		var err error
		if port, err = onlyPort(w); err != nil {
			return endpoint{}, err
		}
	}
	to := endpoint{workload: w, port: port, dialled: policy.Destination{Port: port, Workload: nameOf(w), WorkloadPort: port}}
	if ip := firstIP(w); ip.IsValid() {
		to.dialled.Host = ip.String()
	}
	for _, s := range v.Services {
		if s.Namespace != w.Namespace || to.dialled.Service.Name != "" && s.Name > to.dialled.Service.Name {
			continue
		}
		if d, ok := v.leadsTo(s, to); ok {
			to.dialled = d
		}
	}
	return to, nil
}

// leadsTo is the destination of a client that reaches an endpoint through a Service, if one of its ports leads there.
func (v *View) leadsTo(s policy.Service, to endpoint) (policy.Destination, bool) {
	for _, p := range s.Ports {
		resolved, err := v.Index.ResolveService(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, p.Port)
		if err != nil {
			continue // no TCP port
		}
		for _, b := range resolved.Backends {
			if b.Workload == nameOf(to.workload) && b.Port == to.port {
				return resolved.Destination(b), true
			}
		}
	}
	return policy.Destination{}, false
}

func onlyPort(w policy.Workload) (uint16, error) {
	var ports []string
	var port uint16
	for _, p := range w.Ports {
		if p.Protocol == policy.TCP && p.Port != port {
			port = p.Port
			ports = append(ports, fmt.Sprint(p.Port))
		}
	}
	switch len(ports) {
	case 0:
		return 0, fmt.Errorf("Pod %s declares no TCP port: say which one is meant, as in %s:8080", nameOf(w), nameOf(w))
	case 1:
		return port, nil
	}
	return 0, fmt.Errorf("Pod %s declares the TCP ports %s: say which one is meant, as in %s:%s", nameOf(w), strings.Join(ports, ", "), nameOf(w), ports[0])
}

// throughService is the endpoint behind a Service: of several pods the first by name, ready ones before others.
func (v *View) throughService(s *policy.Service, port uint16) (endpoint, error) {
	name := types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
	if s.ExternalName != "" {
		return endpoint{}, fmt.Errorf("Service %s is an alias of %s, outside of the cluster", name, s.ExternalName)
	}
	if port == 0 && len(s.Ports) == 1 {
		port = s.Ports[0].Port
	}
	if port == 0 {
		return endpoint{}, fmt.Errorf("Service %s has several ports: say which one is meant, as in %s:%d", name, name, s.Ports[0].Port)
	}
	resolved, err := v.Index.ResolveService(name, port)
	if err != nil {
		return endpoint{}, err
	}
	pods := slices.DeleteFunc(resolved.Backends, func(b policy.Backend) bool { return b.Workload.Name == "" })
	if len(pods) == 0 {
		return endpoint{}, fmt.Errorf("no pod is behind port %d of Service %s", port, name)
	}
	slices.SortStableFunc(pods, func(a, b policy.Backend) int { return cmp.Compare(order(a), order(b)) })
	to := endpoint{port: pods[0].Port, dialled: resolved.Destination(pods[0])}
	to.workload, _ = v.Index.Workload(pods[0].Workload)
	if len(pods) > 1 {
		var names []string
		for _, b := range pods {
			names = append(names, b.Workload.Name)
		}
		to.notes = append(to.notes, fmt.Sprintf("%d pods are behind the Service (%s): this is about the first; name another one with --to %s/POD",
			len(pods), abbreviate(names, 5), s.Namespace))
	}
	return to, nil
}

func order(b policy.Backend) int {
	if b.Ready {
		return 0
	}
	return 1
}

func (v *View) service(name types.NamespacedName) *policy.Service {
	for i := range v.Services {
		if s := &v.Services[i]; s.Namespace == name.Namespace && s.Name == name.Name {
			return s
		}
	}
	return nil
}

func declares(w policy.Workload, port uint16) bool {
	return slices.ContainsFunc(w.Ports, func(p policy.WorkloadPort) bool { return p.Port == port })
}

func hasPort(s *policy.Service, port uint16) bool {
	return slices.ContainsFunc(s.Ports, func(p policy.ServicePort) bool { return p.Port == port })
}

func abbreviate(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}
