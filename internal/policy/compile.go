package policy

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Compile is the configuration of a workload in the index. The result shares memory with the index and with other
// results: read it, do not write to it.
func (ix *Index) Compile(name types.NamespacedName) (*proxyconfig.Config, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	w := ix.state.workload(name)
	if w == nil {
		return nil, false
	}
	return ix.state.compile(&w.Workload), true
}

// CompileFor is Compile for a workload that the index need not know: a pod at admission, which has no name yet.
func (ix *Index) CompileFor(w Workload) *proxyconfig.Config {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.state.compile(&w)
}

func (s *state) compile(w *Workload) *proxyconfig.Config {
	m := s.modesOf(w.Namespace, w.Labels)
	http, waits := s.spokenOn(w)
	return &proxyconfig.Config{
		Version:      proxyconfig.SchemaVersion,
		Identity:     spiffeID(s.settings.TrustDomain, w.Namespace, w.serviceAccount()),
		TrustDomains: s.domains,
		Inbound: proxyconfig.Inbound{
			Default:   m.byDefault,
			Ports:     m.all(),
			HTTPPorts: http,
			Waits:     waits,
			Policies:  s.policiesFor(w.Namespace, w.Labels),
		},
		Outbound:  proxyconfig.Outbound{ClusterRanges: s.settings.ClusterRanges},
		Telemetry: proxyconfig.Telemetry{AccessLogPercent: s.settings.AccessLogPercent, MetricsFrom: s.settings.MetricsFrom},
	}
}

// serviceAccount of a workload; a pod that names none runs as "default".
func (w *Workload) serviceAccount() string {
	if w.ServiceAccount == "" {
		return "default"
	}
	return w.ServiceAccount
}
