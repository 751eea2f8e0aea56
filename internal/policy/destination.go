package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// destinationRule is a compiled DestinationRule. One with errors is left out of the index, as if it did not exist: what
// holds without it is mutual TLS wherever the endpoint can do it.
type destinationRule struct {
	header
	source *v1alpha1.DestinationRule
	// host as resolved by resolveHost.
	host string
	// traffic is nil without a trafficPolicy.
	traffic *trafficPolicy
	exports exports
	// class is equal for rules that may be merged: same namespace, host, exports and selector.
	class string
	// foreign is true when clients of other namespaces could need the rule: it is in the root namespace, or its host may
	// be a Service of its own namespace.
	foreign bool
}

// trafficPolicy is the TLS choices of a rule; a nil one is auto.
type trafficPolicy struct {
	tls   *proxyconfig.ClientTLS
	ports map[uint16]*proxyconfig.ClientTLS
}

// forPort is the choice for a service port. A port entry without tls inherits the rule's: the model's two code paths
// disagree on this, and losing TLS because a port was mentioned is the more dangerous of the two answers.
func (t *trafficPolicy) forPort(port uint16) *proxyconfig.ClientTLS {
	if t == nil {
		return nil
	}
	if tls := t.ports[port]; tls != nil {
		return tls
	}
	return t.tls
}

// setsTLS says whether any choice is made at all.
func (t *trafficPolicy) setsTLS() bool { return t != nil && (t.tls != nil || len(t.ports) > 0) }

// exports says which namespaces see a rule.
type exports struct {
	// all: exportTo is absent or `*`.
	all bool
	// namespaces listed, `.` resolved, sorted.
	namespaces []string
}

func exportsOf(o *v1alpha1.DestinationRule) exports {
	e := exports{all: len(o.Spec.ExportTo) == 0}
	for _, to := range o.Spec.ExportTo {
		switch to {
		case "*":
			e.all = true
		case ".":
			e.namespaces = append(e.namespaces, o.Namespace)
		default:
			e.namespaces = append(e.namespaces, to)
		}
	}
	slices.Sort(e.namespaces)
	e.namespaces = slices.Compact(e.namespaces)
	return e
}

// private says whether only the rule's own namespace sees it.
func (e exports) private(own string) bool {
	return !e.all && len(e.namespaces) == 1 && e.namespaces[0] == own
}

func (e exports) to(namespace string) bool {
	if e.all {
		return true
	}
	_, found := slices.BinarySearch(e.namespaces, namespace)
	return found
}

func newDestinationRule(o *v1alpha1.DestinationRule, s Settings) *destinationRule {
	r := &destinationRule{
		source:  o,
		host:    resolveHost(o.Spec.Host, o.Namespace, s.ClusterDomain),
		traffic: trafficPolicyOf(o.Spec.TrafficPolicy),
		exports: exportsOf(o),
	}
	r.header = newHeader(v1alpha1.KindDestinationRule, &o.ObjectMeta, selectorOf(o.Spec.WorkloadSelector), CheckDestinationRule(o, s))
	r.foreign = o.Namespace == s.RootNamespace || coversServicesOf(r.host, o.Namespace, s.ClusterDomain)
	r.class = classOf(r)
	for i, to := range o.Spec.ExportTo {
		if to != "." && to != "*" {
			r.mentions = append(r.mentions, mention{to, fmt.Sprintf("spec.exportTo[%d]", i)})
		}
	}
	return r
}

func classOf(r *destinationRule) string {
	var b strings.Builder
	if r.exports.all {
		b.WriteByte('*')
	}
	for _, ns := range r.exports.namespaces {
		b.WriteString(ns + ",")
	}
	for _, l := range r.selector {
		b.WriteString("/" + l.key + "=" + l.value)
	}
	return b.String()
}

func trafficPolicyOf(t *v1alpha1.TrafficPolicy) *trafficPolicy {
	if t == nil {
		return nil
	}
	out := &trafficPolicy{tls: settingsOf(t.TLS)}
	for _, p := range t.PortLevelSettings {
		if p.Port == nil || p.TLS == nil {
			continue
		}
		if out.ports == nil {
			out.ports = map[uint16]*proxyconfig.ClientTLS{}
		}
		out.ports[uint16(p.Port.Number)] = settingsOf(p.TLS)
	}
	return out
}

// settingsOf copies the settings as written; fields that the mode does not use are dropped.
func settingsOf(t *v1alpha1.ClientTLSSettings) *proxyconfig.ClientTLS {
	if t == nil {
		return nil
	}
	out := &proxyconfig.ClientTLS{Mode: proxyconfig.ClientMode(t.Mode)}
	if out.Mode == proxyconfig.ClientDisable {
		return out
	}
	out.SNI = t.SNI
	out.InsecureSkipVerify = t.InsecureSkipVerify != nil && *t.InsecureSkipVerify
	if out.Mode == proxyconfig.ClientIstioMutual {
		out.Identities = slices.Clone(t.SubjectAltNames)
		return out
	}
	out.SubjectAltNames = slices.Clone(t.SubjectAltNames)
	out.CACertificates, out.CACRL, out.CredentialName = t.CACertificates, t.CACRL, t.CredentialName
	if out.Mode == proxyconfig.ClientMutual {
		out.ClientCertificate, out.PrivateKey = t.ClientCertificate, t.PrivateKey
	}
	return out
}

// settle picks among the rules of one host and namespace (oldest first) the one that holds for a client that sees those for
// which visible is true. A rule whose workloadSelector matches beats those without one. Rules with the same exports and
// selector count as one: the first that has a trafficPolicy gives it, whole.
func settle(group []*destinationRule, visible func(*destinationRule) bool) *destinationRule {
	var leader *destinationRule
	for _, r := range group {
		if visible(r) && (leader == nil || len(leader.selector) == 0 && len(r.selector) > 0) {
			leader = r
		}
	}
	if leader == nil || leader.traffic != nil {
		return leader
	}
	for _, r := range group {
		if r.class == leader.class && r.traffic != nil {
			return r
		}
	}
	return leader
}
