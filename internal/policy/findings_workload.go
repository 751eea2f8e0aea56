package policy

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Reasons of findings about workloads: what the author of a pod, who may never have seen the policies, would not expect.
// StrictNotEnforced is one of them too.
const (
	// ReasonAuthorizationNotEnforced: AuthorizationPolicies select the pod, and no proxy enforces them on it or on one of its
	// ports.
	ReasonAuthorizationNotEnforced Reason = "AuthorizationNotEnforced"
	// ReasonDuplicatePort: a pod declares the same port twice. One of the containers cannot listen on it, and a policy for
	// the port holds for whichever does.
	ReasonDuplicatePort Reason = "DuplicatePort"
)

// Subjects yields all that Findings can be asked about: policies and workloads that have not finished, in no particular
// order.
func (ix *Index) Subjects() []proxyconfig.ObjectRef {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return append(ix.state.allPolicies(), ix.state.allWorkloads()...)
}

// allWorkloads lists every workload that has not finished.
func (s *state) allWorkloads() []proxyconfig.ObjectRef {
	out := make([]proxyconfig.ObjectRef, 0, s.workloads.live)
	for w := range s.live("") {
		out = append(out, PodRef(w.name()))
	}
	return out
}

// PodRef is a pod as the object of a finding.
func PodRef(name types.NamespacedName) proxyconfig.ObjectRef {
	return proxyconfig.ObjectRef{Kind: KindPod, Namespace: name.Namespace, Name: name.Name}
}

// workloadFindings are the findings about a workload. They change only with what Change announces as its configuration.
func (s *state) workloadFindings(w *workload) []Finding {
	if w.Finished {
		return nil
	}
	return s.gather(&header{ref: PodRef(w.name())}, func(f *finder) {
		f.duplicatePorts(w)
		m := s.modesOf(w.Namespace, w.Labels)
		policies := slices.DeleteFunc(s.policiesFor(w.Namespace, w.Labels), withoutEffect)
		if !w.Proxied {
			f.unproxied(w, m, policies)
			return
		}
		f.excludedPorts(w, m, policies)
		f.datagramPorts(w, m)
	})
}

// withoutEffect: the policy only tells what it would do.
func withoutEffect(p proxyconfig.Policy) bool { return p.DryRun || p.Action == proxyconfig.Audit }

func (f *finder) duplicatePorts(w *workload) {
	seen, told := map[WorkloadPort]bool{}, map[WorkloadPort]bool{}
	for _, p := range w.Ports {
		key := WorkloadPort{Port: p.Port, Protocol: cmp.Or(p.Protocol, TCP)}
		if seen[key] && !told[key] {
			told[key] = true
			f.warn("spec.containers", ReasonDuplicatePort, "%s port %d is declared more than once: only one container can listen on it; remove the others", key.Protocol, p.Port)
		}
		seen[key] = true
	}
}

// unproxied reports what policy asks for where no proxy stands. A policy for the whole mesh surprises nobody in a namespace
// that takes no part in it.
func (f *finder) unproxied(w *workload, m modes, policies []proxyconfig.Policy) {
	takesPart := f.state.optedIn(w)
	concerns := func(by proxyconfig.ObjectRef) bool {
		return takesPart || by.Namespace == w.Namespace && w.Namespace != f.state.settings.RootNamespace
	}
	why := whyUnproxiedPod[w.NotProxied]
	if _, labelled := w.Labels[naming.LabelDataPlane]; labelled && w.NotProxied == NotProxiedNoDataPlane {
		why.field = labelField(naming.LabelDataPlane)
	}
	for setting := range m.strict() {
		if setting.DecidedBy != nil && concerns(*setting.DecidedBy) {
			f.warn(why.field, ReasonStrictNotEnforced, "%s says STRICT, and no proxy enforces it on this pod (%s): %s", setting.DecidedBy, w.NotProxied, why.wayOut)
			break
		}
	}
	policies = slices.DeleteFunc(policies, func(p proxyconfig.Policy) bool { return !concerns(p.Object) })
	if len(policies) > 0 {
		f.warn(why.field, ReasonAuthorizationNotEnforced, "no proxy enforces %s on this pod (%s): %s", named(policies), w.NotProxied, why.wayOut)
	}
}

// whyUnproxiedPod says where in the pod the cause stands, and the way out.
var whyUnproxiedPod = map[NotProxiedReason]struct{ field, wayOut string }{
	NotProxiedNotInjected: {"", "see that its namespace is opted in, and restart it"},
	NotProxiedOptedOut:    {labelField(naming.LabelInject), "remove the label and restart the pod, or select other pods"},
	NotProxiedHostNetwork: {"spec.hostNetwork", "nothing is redirected in the node's network; let the application itself check its peers, or give the pod a network of its own"},
	NotProxiedNoDataPlane: {"", "with data plane none the application enforces its mode itself, or nobody does; choose data plane sidecar where it does not"},
}

func labelField(key string) string { return fmt.Sprintf("metadata.labels[%s]", key) }

// excludedPorts reports what policy asks for on ports that an annotation keeps away from the proxy.
func (f *finder) excludedPorts(w *workload, m modes, policies []proxyconfig.Policy) {
	field := fmt.Sprintf("metadata.annotations[%s]", naming.AnnotationExcludeInboundPorts)
	for _, port := range w.ExcludedInboundPorts {
		if setting := m.port(port); setting.Mode == proxyconfig.Strict && setting.DecidedBy != nil {
			f.warn(field, ReasonStrictNotEnforced, "%s says STRICT, and port %d is kept away from the proxy: take it off the list, or set its mode in portLevelMtls to what holds", setting.DecidedBy, port)
		}
	}
	if len(policies) > 0 && len(w.ExcludedInboundPorts) > 0 {
		f.warn(field, ReasonAuthorizationNotEnforced, "%s does not hold on the ports that are kept away from the proxy (%s): take them off the list where that is not meant", named(policies), list(w.ExcludedInboundPorts))
	}
}

// datagramPorts reports STRICT on ports that only TCP could obey.
func (f *finder) datagramPorts(w *workload, m modes) {
	for _, port := range sortedKeys(w.datagramPorts()) {
		if setting := m.port(port); setting.Mode == proxyconfig.Strict && setting.DecidedBy != nil {
			f.warn("spec.containers", ReasonStrictNotEnforced, "%s says STRICT, and port %d is not TCP: nothing protects it, so let only those reach it who may, by a NetworkPolicy", setting.DecidedBy, port)
		}
	}
}

// strict yields the settings that are STRICT: the default, and ports with one of their own.
func (m modes) strict() iter.Seq[proxyconfig.PortMode] {
	return func(yield func(proxyconfig.PortMode) bool) {
		for _, setting := range append([]proxyconfig.PortMode{m.byDefault}, m.all()...) {
			if setting.Mode == proxyconfig.Strict && !yield(setting) {
				return
			}
		}
	}
}

// optedIn says whether the workload is meant to take part: by its namespace's label or its own.
func (s *state) optedIn(w *workload) bool {
	if w.Namespace == s.settings.RootNamespace || slices.Contains(naming.SystemNamespaces(), w.Namespace) {
		return false
	}
	injection := ""
	if ns := s.namespaces[w.Namespace]; ns != nil {
		injection = injectionOf(ns.object)
	}
	return injection == naming.InjectionEnabled || injection != naming.InjectionDisabled && w.Labels[naming.LabelInject] == naming.InjectTrue
}

// named is "AuthorizationPolicy a/b", with the number of the others.
func named(policies []proxyconfig.Policy) string {
	first := policies[0].Object.String()
	if more := len(policies) - 1; more > 0 {
		return fmt.Sprintf("%s (and %d more)", first, more)
	}
	return first
}

func list(ports []uint16) string {
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = fmt.Sprint(p)
	}
	return strings.Join(texts, ", ")
}
