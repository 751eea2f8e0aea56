package policy

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// authorizationPolicy is a compiled AuthorizationPolicy.
type authorizationPolicy struct {
	header
	source *v1alpha1.AuthorizationPolicy
	// policy is what workloads are told. Its rules have the indices of the object's.
	policy proxyconfig.Policy
	// silent policies are told to nobody: broken ones that would decide nothing anyway.
	silent bool
	// http is true when some rule looks at an HTTP request.
	http bool
}

// newAuthorizationPolicy compiles an object. One with errors denies all that it selects, if it would decide at all: an
// unsupported CUSTOM policy stands for a check that must not be skipped, so it becomes a DENY.
func newAuthorizationPolicy(o *v1alpha1.AuthorizationPolicy, s Settings) *authorizationPolicy {
	p := &authorizationPolicy{source: o}
	p.header = newHeader(v1alpha1.KindAuthorizationPolicy, &o.ObjectMeta, selectorOf(o.Spec.Selector), CheckAuthorizationPolicy(o, s))
	p.policy = proxyconfig.Policy{
		Object: p.ref,
		Action: actionOf(o.Spec.Action),
		DryRun: isDryRun(o.Annotations),
		Broken: p.broken,
	}
	if p.broken != "" {
		p.silent = p.policy.DryRun || p.policy.Action == proxyconfig.Audit
		return p
	}
	c := ruleCompiler{namespace: o.Namespace, domains: trustDomainsOf(s)}
	p.policy.Rules = make([]proxyconfig.Rule, len(o.Spec.Rules))
	for i, r := range o.Spec.Rules {
		p.policy.Rules[i] = c.rule(r)
		p.http = p.http || isHTTPRule(&p.policy.Rules[i])
	}
	p.mentions = mentionsIn(o.Spec.Rules)
	return p
}

func actionOf(a v1alpha1.AuthorizationAction) proxyconfig.Action {
	switch a {
	case "", v1alpha1.ActionAllow:
		return proxyconfig.Allow
	case v1alpha1.ActionAudit:
		return proxyconfig.Audit
	default:
		return proxyconfig.Deny
	}
}

// isDryRun says whether one of the two annotations asks for a trial. What is not a boolean is an error of the object and
// means no trial: the policy bites.
func isDryRun(annotations map[string]string) bool {
	for _, key := range []string{naming.AnnotationDryRun, naming.AnnotationDryRunIstio} {
		if on, err := strconv.ParseBool(annotations[key]); err == nil && on {
			return true
		}
	}
	return false
}

// ruleCompiler resolves the names in rules: what a proxy is told needs no further knowledge of the cluster.
type ruleCompiler struct {
	namespace string
	domains   []string
}

func (c ruleCompiler) rule(r v1alpha1.Rule) proxyconfig.Rule {
	var out proxyconfig.Rule
	for _, f := range r.From {
		out.From = append(out.From, c.source(f.Source))
	}
	for _, t := range r.To {
		out.To = append(out.To, c.operation(t.Operation))
	}
	for _, w := range r.When {
		out.When = append(out.When, c.condition(w))
	}
	return out
}

func (c ruleCompiler) source(s *v1alpha1.Source) proxyconfig.Source {
	return proxyconfig.Source{
		Principals:         expandPrincipals(s.Principals, c.domains),
		NotPrincipals:      expandPrincipals(s.NotPrincipals, c.domains),
		Namespaces:         slices.Clone(s.Namespaces),
		NotNamespaces:      slices.Clone(s.NotNamespaces),
		ServiceAccounts:    qualifyServiceAccounts(s.ServiceAccounts, c.namespace),
		NotServiceAccounts: qualifyServiceAccounts(s.NotServiceAccounts, c.namespace),
		TrustDomains:       slices.Clone(s.TrustDomains),
		NotTrustDomains:    slices.Clone(s.NotTrustDomains),
		IPBlocks:           slices.Clone(s.IPBlocks),
		NotIPBlocks:        slices.Clone(s.NotIPBlocks),
	}
}

func (c ruleCompiler) operation(o *v1alpha1.Operation) proxyconfig.Operation {
	return proxyconfig.Operation{
		Hosts:      slices.Clone(o.Hosts),
		NotHosts:   slices.Clone(o.NotHosts),
		Ports:      slices.Clone(o.Ports),
		NotPorts:   slices.Clone(o.NotPorts),
		Methods:    slices.Clone(o.Methods),
		NotMethods: slices.Clone(o.NotMethods),
		Paths:      slices.Clone(o.Paths),
		NotPaths:   slices.Clone(o.NotPaths),
	}
}

func (c ruleCompiler) condition(w v1alpha1.Condition) proxyconfig.Condition {
	resolve := func(values []string) []string {
		switch w.Key {
		case "source.principal":
			return expandPrincipals(values, c.domains)
		case "source.serviceAccount":
			return qualifyServiceAccounts(values, c.namespace)
		default:
			return slices.Clone(values)
		}
	}
	return proxyconfig.Condition{Key: w.Key, Values: resolve(w.Values), NotValues: resolve(w.NotValues)}
}

// policiesFor lists the policies that select a workload: those of the root namespace and of its own, united.
func (s *state) policiesFor(namespace string, labels map[string]string) []proxyconfig.Policy {
	var found []*authorizationPolicy
	for ns := range s.scopes(namespace) {
		var narrow []*authorizationPolicy
		for p := range ns.authz.narrow.matching(labels) {
			narrow = append(narrow, p)
		}
		slices.SortFunc(narrow, (*authorizationPolicy).compare)
		found = inOrder(inOrder(found, narrow), ns.authz.wide)
	}
	if len(found) == 0 {
		return nil
	}
	out := make([]proxyconfig.Policy, 0, len(found))
	for _, p := range found {
		if !p.silent {
			out = append(out, p.policy)
		}
	}
	return out
}

// inOrder merges two lists that are in evaluation order. It may return one of them, so the result is not to be written to.
func inOrder(a, b []*authorizationPolicy) []*authorizationPolicy {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]*authorizationPolicy, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		from := &a
		if b[0].compare(a[0]) < 0 {
			from = &b
		}
		out, *from = append(out, (*from)[0]), (*from)[1:]
	}
	return append(append(out, a...), b...)
}

// compare is the evaluation order: DENY, ALLOW, AUDIT; within an action oldest first, then by namespace and name.
func (p *authorizationPolicy) compare(o *authorizationPolicy) int {
	return cmp.Or(
		cmp.Compare(actionRank(p.policy.Action), actionRank(o.policy.Action)),
		cmp.Compare(p.created, o.created),
		cmp.Compare(p.ref.Namespace, o.ref.Namespace),
		cmp.Compare(p.ref.Name, o.ref.Name),
	)
}

func actionRank(a proxyconfig.Action) int {
	switch a {
	case proxyconfig.Deny:
		return 0
	case proxyconfig.Allow:
		return 1
	default:
		return 2
	}
}
