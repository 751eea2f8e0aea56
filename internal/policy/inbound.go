package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// spokenPort is a service port whose protocol the Service declares in so far as it matters to a proxy: HTTP, which it reads,
// or else one in which the server speaks first, so that there is nothing to wait for.
type spokenPort struct {
	ServicePort
	isHTTP bool
}

func spokenPorts(ports []ServicePort) []spokenPort {
	var out []spokenPort
	for _, p := range ports {
		if isHTTP := p.HTTP(); isHTTP || p.serverFirst() {
			out = append(out, spokenPort{p, isHTTP})
		}
	}
	return out
}

// declaration is what a port is said to carry, by appProtocol, else by its name, in lower case; empty for what is not TCP.
func (p ServicePort) declaration() string {
	if !sameProtocol(p.Protocol, TCP) {
		return ""
	}
	return strings.ToLower(cmp.Or(p.AppProtocol, p.Name))
}

// HTTP says whether the port is declared to carry HTTP: by appProtocol, else by its name, both with or without a suffix
// (`http`, `http-admin`). Everything else is TCP: nothing is guessed from the bytes, and https is TLS of the application's
// own, into which nobody can look.
func (p ServicePort) HTTP() bool {
	declared := p.declaration()
	if strings.HasPrefix(declared, "grpc-web") {
		return true
	}
	declared, _, _ = strings.Cut(declared, "-")
	switch declared {
	case "http", "http2", "grpc", "kubernetes.io/h2c", "kubernetes.io/ws":
		return true
	}
	return false
}

// serverFirst says whether the port is declared, in the same way, to carry a protocol in which the server speaks first. Of
// the databases, PostgreSQL, Redis and MongoDB are not: their clients begin.
func (p ServicePort) serverFirst() bool {
	declared, _, _ := strings.Cut(p.declaration(), "-")
	switch declared {
	case "mysql", "smtp", "ssh", "ftp", "pop3", "imap":
		return true
	}
	return false
}

// spokenOn is what the Services that select a workload say about its ports, both ascending. Where one says HTTP and another
// something else, it is HTTP: rules about requests must not be lost because the port was named twice. How long a port waits
// the pod may say itself, and it knows better than a Service.
func (s *state) spokenOn(w *Workload) (http []uint16, waits []proxyconfig.PortWait) {
	var serverFirst []uint16
	for svc := range s.servicesOf(w) {
		for _, sp := range svc.spoken {
			switch target, ok := sp.targetOn(w); {
			case !ok:
			case sp.isHTTP:
				http = append(http, target)
			default:
				serverFirst = append(serverFirst, target)
			}
		}
	}
	slices.Sort(http)
	http = slices.Compact(http)
	add := func(wait proxyconfig.PortWait) {
		i, known := slices.BinarySearchFunc(waits, wait.Port, func(w proxyconfig.PortWait, port uint16) int { return cmp.Compare(w.Port, port) })
		if _, read := slices.BinarySearch(http, wait.Port); !known && !read {
			waits = slices.Insert(waits, i, wait)
		}
	}
	for _, wait := range w.ClientWaits {
		add(wait)
	}
	for _, port := range serverFirst {
		add(proxyconfig.PortWait{Port: port})
	}
	return http, waits
}

// speaking adds the workloads whose ports a Service declares.
func (s *state) speaking(svc *service, e *effect) {
	if len(svc.spoken) == 0 || len(svc.selector) == 0 {
		return
	}
	for w := range s.workloads.matching(svc.Namespace, svc.selector) {
		e.singles = append(e.singles, w.name())
	}
}
