package policy

import (
	"cmp"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/warifu/warifu/api/v1alpha1"
)

// maxAlternatives is the longest list of rules, and of from, to and when in a rule.
const maxAlternatives = 512

func (c *checker) authorizationPolicy(spec *v1alpha1.AuthorizationPolicySpec) {
	at := field.NewPath("spec")
	c.selector(at.Child("selector"), spec.Selector, c.everyWorkload())
	c.action(at, spec)
	c.atMost(at.Child("rules"), len(spec.Rules), maxAlternatives)
	for i := range spec.Rules {
		r := ruleChecker{checker: c, at: at.Child("rules").Index(i), action: cmp.Or(spec.Action, v1alpha1.ActionAllow)}
		r.rule(&spec.Rules[i])
	}
	if spec.Provider != nil {
		c.errorf(at.Child("provider"), ReasonUnsupported, "provider is not supported: it belongs to CUSTOM; write the decision as ALLOW and DENY rules")
	}
	if spec.TargetRef != nil {
		c.errorf(at.Child("targetRef"), ReasonUnsupported, "targetRef is not supported: Warifu has no waypoints; choose the pods with selector")
	}
	if spec.TargetRefs != nil {
		c.errorf(at.Child("targetRefs"), ReasonUnsupported, "targetRefs is not supported: Warifu has no waypoints; choose the pods with selector")
	}
}

// action checks the action, and whether it can ever be taken.
func (c *checker) action(at *field.Path, spec *v1alpha1.AuthorizationPolicySpec) {
	switch spec.Action {
	case "", v1alpha1.ActionAllow: // without rules it allows nothing, which is how people say "deny by default"
	case v1alpha1.ActionDeny:
		if len(spec.Rules) == 0 {
			c.errorf(at.Child("rules"), ReasonDenyWithoutRules, "a DENY policy without rules never denies: add a rule, or rules: [{}] to deny everything")
		}
	case v1alpha1.ActionAudit:
		if len(spec.Rules) == 0 {
			c.warnf(at.Child("rules"), ReasonNoEffect, "an AUDIT policy without rules never matches: add a rule, or rules: [{}] to log everything")
		}
	case v1alpha1.ActionCustom:
		c.errorf(at.Child("action"), ReasonUnsupported, "CUSTOM is not supported: Warifu asks no external authorizer; write the decision as ALLOW and DENY rules")
	default:
		c.errorf(at.Child("action"), ReasonInvalid, "unknown action %q: write ALLOW, DENY or AUDIT", spec.Action)
	}
}

// ruleChecker checks one rule.
type ruleChecker struct {
	*checker
	at     *field.Path
	action v1alpha1.AuthorizationAction
}

func (c ruleChecker) rule(r *v1alpha1.Rule) {
	c.alternatives(c.at.Child("from"), r.From != nil, len(r.From), "anyone")
	for i := range r.From {
		c.source(c.at.Child("from").Index(i).Child("source"), r.From[i].Source)
	}
	c.alternatives(c.at.Child("to"), r.To != nil, len(r.To), "anything")
	for i := range r.To {
		c.operation(c.at.Child("to").Index(i).Child("operation"), r.To[i].Operation)
	}
	c.atMost(c.at.Child("when"), len(r.When), maxAlternatives)
	for i := range r.When {
		c.condition(c.at.Child("when").Index(i), &r.When[i])
	}
	if c.action == v1alpha1.ActionAllow {
		c.admitsPlaintext(r)
	}
	if c.action == v1alpha1.ActionDeny {
		c.widensOnTCP(r)
	}
}

// alternatives checks the length of from or to. An empty list is not an absent one: no alternative could match.
func (c ruleChecker) alternatives(at *field.Path, present bool, length int, absent string) {
	if present && length == 0 {
		c.errorf(at, ReasonRequired, "an empty list matches nothing: add an entry, or remove the list if %s is meant", absent)
	}
	c.atMost(at, length, maxAlternatives)
}

// admitsPlaintext warns of an ALLOW rule that says only who may not come in: a peer that proved nothing is nobody, and so
// not among them.
func (c ruleChecker) admitsPlaintext(r *v1alpha1.Rule) {
	const message = "a peer without identity (plaintext) is none of those excluded, so this ALLOW rule admits it: add principals: [\"*\"] to ask for an identity"
	for _, w := range r.When {
		if isIdentityKey(w.Key) && len(w.Values) > 0 {
			return
		}
	}
	proven := len(r.From) > 0
	for i, from := range r.From {
		s := from.Source
		if s == nil {
			continue
		}
		if len(s.Principals)+len(s.Namespaces)+len(s.ServiceAccounts)+len(s.TrustDomains) > 0 {
			continue
		}
		proven = false
		if len(s.NotPrincipals)+len(s.NotNamespaces)+len(s.NotServiceAccounts)+len(s.NotTrustDomains) > 0 {
			c.warnf(c.at.Child("from").Index(i).Child("source"), ReasonAdmitsPlaintext, message)
		}
	}
	for i, w := range r.When {
		if !proven && isIdentityKey(w.Key) && len(w.NotValues) > 0 {
			c.warnf(c.at.Child("when").Index(i), ReasonAdmitsPlaintext, message)
		}
	}
}

// widensOnTCP warns of a DENY rule with fields that exist in HTTP only and without ports. A connection that is not HTTP has
// no such fields, and the rule denies it whatever they say.
func (c ruleChecker) widensOnTCP(r *v1alpha1.Rule) {
	const message = "on a port that does not speak HTTP this DENY rule denies every connection, because %s does not exist there: add ports, the workload ports that speak HTTP"
	for _, w := range r.When {
		if w.Key == "destination.port" {
			return
		}
	}
	portsInAll := len(r.To) > 0
	for i, to := range r.To {
		o := to.Operation
		if o == nil || len(o.Ports)+len(o.NotPorts) > 0 {
			continue
		}
		portsInAll = false
		if f := firstHTTPField(o); f != "" {
			c.warnf(c.at.Child("to").Index(i).Child("operation"), ReasonWidensOnTCP, message, f)
		}
	}
	for i, w := range r.When {
		if !portsInAll && isHeaderKey(w.Key) {
			c.warnf(c.at.Child("when").Index(i), ReasonWidensOnTCP, message, w.Key)
		}
	}
}
