package policy

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Destination is what a client dials, as far as it is known.
type Destination struct {
	// Service dialled; empty for an IP literal or a host outside the cluster.
	Service types.NamespacedName
	// Host is the IP literal or foreign name dialled when Service is empty.
	Host string
	// Port is the service port, or the dialled port without a Service.
	Port uint16
	// Workload is the endpoint chosen; empty when it is not a pod. WorkloadPort is its port after targetPort.
	Workload     types.NamespacedName
	WorkloadPort uint16
}

// Client is the TLS choice of a client workload for a destination.
//
// A DestinationRule that sets TLS is followed as written. Without one the choice is automatic, for each endpoint: mutual TLS
// exactly where the endpoint is a proxied workload whose port is not DISABLE. What only the pod's owner could edit (labels,
// annotations) has no part in it.
//
// ISTIO_MUTUAL with empty Identities is a destination of which no workload is known: no server can satisfy it.
func (ix *Index) Client(client Workload, to Destination) proxyconfig.ClientTLS {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	s := ix.state
	d := s.dialled(to)
	rule, tls := s.choiceOf(&client, d)
	return s.choose(rule, tls, d)
}

// choiceOf is what the rule that holds for a client says about a destination; nil where none sets TLS. No rule names an
// address that is not known yet: a pod's own, in a manifest.
func (s *state) choiceOf(client *Workload, d dialled) (*destinationRule, *proxyconfig.ClientTLS) {
	if d.host == "" {
		return nil, nil
	}
	if r := s.ruleFor(client, d.host, d.Service.Namespace); r != nil {
		return r, r.traffic.forPort(d.Port)
	}
	return nil, nil
}

// choose is how to begin with an endpoint, by the choice of a rule or, without one, by what the endpoint can do.
func (s *state) choose(rule *destinationRule, tls *proxyconfig.ClientTLS, d dialled) proxyconfig.ClientTLS {
	if tls != nil {
		return s.explicit(rule, *tls, d)
	}
	return s.automatic(d)
}

// ClientDefault is the TLS choice of a client workload for a service that no narrower rule names: what the environment and
// the mode file of a pod say. It comes from the visible rule whose host covers every Service (`*`, `*.local`,
// `*.cluster.local`, `*.svc.cluster.local`); without one, or when that sets no TLS, it is ISTIO_MUTUAL, Auto.
func (ix *Index) ClientDefault(client Workload) proxyconfig.ClientTLS {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	s := ix.state
	// The suffix alone is matched by exactly the wildcards that every Service matches.
	if r := s.ruleFor(&client, servicesSuffix(s.settings.ClusterDomain), ""); r != nil && r.traffic != nil && r.traffic.tls != nil {
		tls := copyOf(*r.traffic.tls)
		tls.DecidedBy = &r.ref
		return tls
	}
	return proxyconfig.ClientTLS{Mode: proxyconfig.ClientIstioMutual, Auto: true}
}

// dialled is a destination with what the index knows of it.
type dialled struct {
	Destination
	// host that rules are matched against.
	host string
	// service is nil when none is dialled or it is not known.
	service *service
	// workload is nil when the endpoint is not a pod or it is not known.
	workload *workload
}

func (s *state) dialled(to Destination) dialled {
	d := dialled{Destination: to, workload: s.workload(to.Workload)}
	if to.Service.Name == "" {
		d.host = literalHost(to.Host)
		named, ok := serviceOfHost(d.host, s.settings.ClusterDomain)
		if !ok {
			return d
		}
		d.Service = named
	}
	if d.service = s.service(d.Service); d.service != nil {
		d.host = d.service.host
	} else {
		d.host = serviceHost(d.Service, s.settings.ClusterDomain)
	}
	return d
}

// ruleFor finds the rule that holds for a client and a host, in the first namespace that has one: the client's own, the
// service's, the root namespace. A rule that the client does not see, or whose workloadSelector does not select it, is not
// there at all: a less specific one may hold in its stead.
func (s *state) ruleFor(client *Workload, host, serviceNamespace string) *destinationRule {
	root := s.settings.RootNamespace
	own := func(r *destinationRule) bool { return r.selector.matches(client.Labels) }
	exported := func(r *destinationRule) bool {
		return r.exports.to(client.Namespace) && (len(r.selector) == 0 || r.ref.Namespace == client.Namespace && own(r))
	}
	if client.Namespace == root {
		own = func(r *destinationRule) bool { return r.exports.private(root) && r.selector.matches(client.Labels) }
	}
	if r := s.ruleIn(client.Namespace, host, own); r != nil {
		return r
	}
	if serviceNamespace != "" && serviceNamespace != client.Namespace {
		if r := s.ruleIn(serviceNamespace, host, exported); r != nil {
			return r
		}
	}
	return s.ruleIn(root, host, exported)
}

func (s *state) ruleIn(namespace, host string, visible func(*destinationRule) bool) *destinationRule {
	ns := s.namespaces[namespace]
	if ns == nil {
		return nil
	}
	return ns.rules.mostSpecific(host, func(group []*destinationRule) *destinationRule { return settle(group, visible) })
}

// explicit completes the settings of a rule with what follows from the destination. SNI and subjectAltNames each default to
// the host by themselves: an SNI of its own does not change what the certificate must say, and never means that it may say
// anything, as it does in the model.
func (s *state) explicit(r *destinationRule, tls proxyconfig.ClientTLS, d dialled) proxyconfig.ClientTLS {
	tls = copyOf(tls)
	tls.DecidedBy = &r.ref
	switch tls.Mode {
	case proxyconfig.ClientIstioMutual:
		if len(tls.Identities) == 0 {
			tls.Identities = s.identitiesOf(d)
		}
	case proxyconfig.ClientSimple, proxyconfig.ClientMutual:
		if len(tls.SubjectAltNames) == 0 && !tls.InsecureSkipVerify && d.host != "" {
			tls.SubjectAltNames = []string{d.host}
		}
	default:
		return tls
	}
	if tls.SNI == "" {
		tls.SNI = sniOf(d.host)
	}
	return tls
}

// automatic is the choice where no rule made one.
func (s *state) automatic(d dialled) proxyconfig.ClientTLS {
	if !s.speaksMutualTLS(d.workload, d.WorkloadPort) {
		return proxyconfig.ClientTLS{Mode: proxyconfig.ClientDisable, Auto: true}
	}
	return proxyconfig.ClientTLS{
		Mode: proxyconfig.ClientIstioMutual, Auto: true,
		SNI: sniOf(d.host), Identities: s.identitiesOf(d),
	}
}

// speaksMutualTLS says whether an endpoint can answer mutual TLS on a port. Ports excluded by annotation count like any
// other: an annotation must not make callers send plaintext. Where one is excluded, portLevelMtls DISABLE tells clients so.
// Nor does it matter that a namespace's policy is DISABLE, which the model looks at first, when the workload's own is not.
func (s *state) speaksMutualTLS(w *workload, port uint16) bool {
	return w != nil && w.Proxied && s.modesOf(w.Namespace, w.Labels).port(port).Mode != proxyconfig.Disable && !w.Finished
}

// identitiesOf lists the SPIFFE IDs that a destination may prove: those of every workload behind the service, because a
// Service is one identity domain to its clients, or of the pod dialled directly.
func (s *state) identitiesOf(d dialled) []string {
	if d.service == nil {
		if d.workload == nil {
			return nil
		}
		return s.identities(map[account]struct{}{d.workload.account(): {}})
	}
	view := s.backendsOf(d.service)
	if d.workload == nil {
		return slices.Clone(view.identities)
	}
	if s.proves(d, d.workload.account()) {
		return slices.Clone(view.identities)
	}
	// The endpoint was chosen from a newer list than ours.
	return append(slices.Clone(view.identities), s.identities(map[account]struct{}{d.workload.account(): {}})...)
}

// proves says whether an account is among those behind the service that is dialled.
func (s *state) proves(d dialled, a account) bool {
	if d.service == nil {
		return false
	}
	_, found := s.backendsOf(d.service).accounts[a]
	return found
}

// sniOf is the server name for a host: none for an IP literal (RFC 6066, section 3).
func sniOf(host string) string {
	if isIP(host) {
		return ""
	}
	return host
}

// copyOf gives a caller settings of its own.
func copyOf(t proxyconfig.ClientTLS) proxyconfig.ClientTLS {
	t.Identities = slices.Clone(t.Identities)
	t.SubjectAltNames = slices.Clone(t.SubjectAltNames)
	return t
}

// account is a ServiceAccount.
type account types.NamespacedName

func (w *workload) account() account {
	return account{Namespace: w.Namespace, Name: w.serviceAccount()}
}
