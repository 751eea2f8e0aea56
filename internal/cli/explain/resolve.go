package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/policy"
)

// View is what questions are asked about: the compiled policies, and the Services, of which the index keeps no list.
type View struct {
	Index    *policy.Index
	Services []policy.Service
	// Outbound is what pods keep away from their proxies, by annotation; pods that exclude nothing are absent.
	Outbound map[types.NamespacedName]inject.Exclusions
}

// endpoint is the pod and port that a question is about, and how the client came to it.
type endpoint struct {
	workload policy.Workload
	port     uint16
	// dialled is the destination of the client's policies. Its Service is empty where none leads to the port.
	dialled policy.Destination
	// address that the client's packets carry, as far as it is known.
	address netip.AddrPort
	// tcp is false where only another protocol is declared.
	tcp bool
	// http is true where a Service declares the port HTTP.
	http  bool
	notes []string
}

// name of the endpoint in sentences.
func (e endpoint) name() string {
	if e.port == 0 {
		return fmt.Sprintf("an undeclared port of Pod %s", nameOf(e.workload))
	}
	return fmt.Sprintf("port %d of Pod %s", e.port, nameOf(e.workload))
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
		to = v.pod(pod, t.Port)
	}
	
	return to, err
}

// pod is the endpoint of a pod that is named itself. Clients come to a pod through a Service, so the policies of the first
// one, by name, that leads to the port are those that hold; without one the pod is dialled by its address.
func (v *View) pod(w policy.Workload, port uint16) endpoint {
	var notes []string
	if port == 0 {
		port, notes = firstPort(w)
	}
	to := endpoint{workload: w, port: port, notes: notes, address: netip.AddrPortFrom(firstOf(w.IPs), port)}
	to.tcp = speaksTCP(w, port)
	to.dialled = policy.Destination{Port: port, Workload: nameOf(w), WorkloadPort: port}
	if ip := firstOf(w.IPs); ip.IsValid() {
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
	return to
}

// leadsTo is the destination of a client that reaches an endpoint through a Service, if one of its ports leads there.
func (v *View) leadsTo(s policy.Service, to endpoint) (policy.Destination, bool) {
	for _, p := range s.Ports {
		resolved, err := v.Index.ResolveService(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, p.Port)
		if err != nil || !isTCP(resolved.ServicePort.Protocol) {
			continue
		}
		for _, b := range resolved.Backends {
			if b.Workload == nameOf(to.workload) && b.Port == to.port {
				return resolved.Destination(b), true
			}
		}
	}
	return policy.Destination{}, false
}

// firstPort is the TCP port that a question means which names none: the first that the pod declares or, where it declares
// none, 0, which stands for any port that no policy names.
func firstPort(w policy.Workload) (port uint16, notes []string) {
	var ports []string
	for _, p := range w.Ports {
		if text := fmt.Sprint(p.Port); isTCP(p.Protocol) && !slices.Contains(ports, text) {
			port = cmp.Or(port, p.Port)
			ports = append(ports, text)
		}
	}
	switch len(ports) {
	case 0:
		return 0, []string{fmt.Sprintf("the pod declares no TCP port: this is about one that no policy names; name another one, as in --to %s:8080", nameOf(w))}
	case 1:
		return port, nil
	}
	return port, []string{fmt.Sprintf("the pod declares the TCP ports %s: this is about the first; name another one, as in --to %s:%s",
		abbreviate(ports, 5), nameOf(w), ports[1])}
}

// speaksTCP is true unless the pod declares the port for other protocols only.
func speaksTCP(w policy.Workload, port uint16) bool {
	return !declares(w, port) ||
		slices.ContainsFunc(w.Ports, func(p policy.WorkloadPort) bool { return p.Port == port && isTCP(p.Protocol) })
}

func isTCP(p policy.Protocol) bool { return cmp.Or(p, policy.TCP) == policy.TCP }

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
	to := endpoint{port: pods[0].Port, dialled: resolved.Destination(pods[0]), tcp: isTCP(resolved.ServicePort.Protocol)}
	to.workload, _ = v.Index.Workload(pods[0].Workload)
	to.address = netip.AddrPortFrom(pods[0].Address, pods[0].Port)
	if !s.Headless {
		to.address = netip.AddrPortFrom(firstOf(s.ClusterIPs), port)
	}
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
