package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// peerAuthentication is a compiled PeerAuthentication. What is wrong in portLevelMtls is left out, as the model does, so that
// a mistake about one port does not take STRICT from the others. One with other errors is left out of the index's scopes
// altogether: the mode of the next wider scope holds. Either way the object's status says Accepted=False. Admission refuses
// such objects, so it takes an absent webhook, or a file, to get here.
type peerAuthentication struct {
	header
	source *v1alpha1.PeerAuthentication
	// mode of every port that ports does not list; empty is UNSET.
	mode proxyconfig.Mode
	// ports with a setting of their own, ascending; empty mode is UNSET.
	ports []portSetting
}

type portSetting struct {
	port uint16
	mode proxyconfig.Mode
}

func newPeerAuthentication(o *v1alpha1.PeerAuthentication, s Settings) *peerAuthentication {
	p := &peerAuthentication{source: o, mode: modeOf(o.Spec.MTLS)}
	p.header = newHeader(v1alpha1.KindPeerAuthentication, &o.ObjectMeta, selectorOf(o.Spec.Selector), CheckPeerAuthentication(o, s))
	p.broken = firstError(p.checks, func(f Finding) bool { return !strings.HasPrefix(f.Field, "spec.portLevelMtls") })
	if len(p.selector) == 0 {
		return p
	}
	for key, setting := range o.Spec.PortLevelMTLS {
		if port, ok := portOf(key); ok && knownMode(setting.Mode) {
			p.ports = append(p.ports, portSetting{port, modeOf(&setting)})
		}
	}
	slices.SortFunc(p.ports, func(a, b portSetting) int { return cmp.Compare(a.port, b.port) })
	return p
}

// modeOf reads a mode; absent and UNSET are "".
func modeOf(m *v1alpha1.MutualTLS) proxyconfig.Mode {
	if m == nil || m.Mode == v1alpha1.MutualTLSUnset {
		return ""
	}
	return proxyconfig.Mode(m.Mode)
}

// inForce says whether the policy takes part in the resolution: it has no errors, and it is not a selector in the root
// namespace, which the model ignores.
func (p *peerAuthentication) inForce(root string) bool {
	return p.broken == "" && (len(p.selector) == 0 || p.ref.Namespace != root)
}

// compare is by age.
func (p *peerAuthentication) compare(o *peerAuthentication) int { return byAge(&p.header, &o.header) }

// listed finds a port among those with a setting of their own.
func (p *peerAuthentication) listed(port uint16) (portSetting, bool) {
	i, ok := slices.BinarySearchFunc(p.ports, port, func(s portSetting, port uint16) int { return cmp.Compare(s.port, port) })
	if !ok {
		return portSetting{}, false
	}
	return p.ports[i], true
}

// setting of a port by this policy alone, "" where it sets none.
func (p *peerAuthentication) setting(port uint16) proxyconfig.Mode {
	s, _ := p.listed(port)
	return cmp.Or(s.mode, p.mode)
}

// modes is the outcome of the resolution for one workload.
type modes struct {
	byDefault proxyconfig.PortMode
	// workload is the one policy whose selector decides, with its ports; nil without one.
	workload *peerAuthentication
}

// modesOf resolves mesh → namespace → workload: in each scope the oldest policy alone takes part, and the narrowest that
// sets a mode wins. PERMISSIVE when none does.
func (s *state) modesOf(namespace string, labels map[string]string) modes {
	m := modes{byDefault: proxyconfig.PortMode{Mode: proxyconfig.Permissive}}
	m.take(s.meshPolicy())
	if ns := s.namespaces[namespace]; ns != nil {
		if namespace != s.settings.RootNamespace {
			m.take(oldest(ns.peer.wide))
		}
		m.workload = ns.workloadPolicy(labels)
		m.take(m.workload)
	}
	return m
}

func (m *modes) take(p *peerAuthentication) {
	if p != nil && p.mode != "" {
		m.byDefault = proxyconfig.PortMode{Mode: p.mode, DecidedBy: &p.ref}
	}
}

// meshPolicy is the PeerAuthentication that holds for the whole mesh, or nil.
func (s *state) meshPolicy() *peerAuthentication {
	if root := s.namespaces[s.settings.RootNamespace]; root != nil {
		return oldest(root.peer.wide)
	}
	return nil
}

func oldest(wide []*peerAuthentication) *peerAuthentication {
	if len(wide) == 0 {
		return nil
	}
	return wide[0]
}

// workloadPolicy is the oldest PeerAuthentication whose selector matches; the ports of the others are not merged in.
func (ns *namespace) workloadPolicy(labels map[string]string) *peerAuthentication {
	var first *peerAuthentication
	for p := range ns.peer.narrow.matching(labels) {
		if first == nil || byAge(&p.header, &first.header) < 0 {
			first = p
		}
	}
	return first
}

// port is the mode of one workload port.
func (m modes) port(port uint16) proxyconfig.PortMode {
	if m.workload != nil {
		if s, ok := m.workload.listed(port); ok {
			return m.explicit(s)
		}
	}
	return m.byDefault
}

// explicit is a listed port: its own mode, or the workload's where the entry sets none.
func (m modes) explicit(s portSetting) proxyconfig.PortMode {
	if s.mode == "" {
		return proxyconfig.PortMode{Port: s.port, Mode: m.byDefault.Mode, DecidedBy: m.byDefault.DecidedBy}
	}
	return proxyconfig.PortMode{Port: s.port, Mode: s.mode, DecidedBy: &m.workload.ref}
}

// all ports that the deciding policy lists, ascending.
func (m modes) all() []proxyconfig.PortMode {
	if m.workload == nil || len(m.workload.ports) == 0 {
		return nil
	}
	out := make([]proxyconfig.PortMode, len(m.workload.ports))
	for i, s := range m.workload.ports {
		out[i] = m.explicit(s)
	}
	return out
}
