package authz

import (
	"errors"
	"fmt"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// rule is a compiled rule. Empty lists match everything.
type rule struct {
	from [][]check // one of them, all its checks
	to   [][]check
	when []check // all of them
	// httpOnly: some field can only be asked of HTTP.
	httpOnly bool
}

// field is one field of a source, an operation or a condition.
type field struct {
	name   string
	key    ConditionKey
	values []string
	negate bool
}

func sourceFields(s proxyconfig.Source) []field {
	return []field{
		{"principals", ConditionKey{attr: sourcePrincipal}, s.Principals, false},
		{"notPrincipals", ConditionKey{attr: sourcePrincipal}, s.NotPrincipals, true},
		{"namespaces", ConditionKey{attr: sourceNamespace}, s.Namespaces, false},
		{"notNamespaces", ConditionKey{attr: sourceNamespace}, s.NotNamespaces, true},
		{"serviceAccounts", ConditionKey{attr: sourceServiceAccount}, s.ServiceAccounts, false},
		{"notServiceAccounts", ConditionKey{attr: sourceServiceAccount}, s.NotServiceAccounts, true},
		{"trustDomains", ConditionKey{attr: sourceTrustDomain}, s.TrustDomains, false},
		{"notTrustDomains", ConditionKey{attr: sourceTrustDomain}, s.NotTrustDomains, true},
		{"ipBlocks", ConditionKey{attr: sourceIP}, s.IPBlocks, false},
		{"notIpBlocks", ConditionKey{attr: sourceIP}, s.NotIPBlocks, true},
	}
}

func operationFields(o proxyconfig.Operation) []field {
	return []field{
		{"hosts", ConditionKey{attr: requestHost}, o.Hosts, false},
		{"notHosts", ConditionKey{attr: requestHost}, o.NotHosts, true},
		{"ports", ConditionKey{attr: destinationPort}, o.Ports, false},
		{"notPorts", ConditionKey{attr: destinationPort}, o.NotPorts, true},
		{"methods", ConditionKey{attr: requestMethod}, o.Methods, false},
		{"notMethods", ConditionKey{attr: requestMethod}, o.NotMethods, true},
		{"paths", ConditionKey{attr: requestPath}, o.Paths, false},
		{"notPaths", ConditionKey{attr: requestPath}, o.NotPaths, true},
	}
}

// HTTPOnlyFields lists the fields of a rule that can only be asked of HTTP, such as to[0].operation.methods or
// when[1].key. On a TCP connection a rule of ALLOW that has one matches nothing; a rule of DENY or AUDIT is read without
// them and matches more.
func HTTPOnlyFields(r proxyconfig.Rule) []string {
	var names []string
	for i, operation := range r.To {
		for _, f := range operationFields(operation) {
			if len(f.values) > 0 && f.key.HTTPOnly() {
				names = append(names, fmt.Sprintf("to[%d].operation.%s", i, f.name))
			}
		}
	}
	for i, condition := range r.When {
		if key, err := ParseConditionKey(condition.Key); err == nil && key.HTTPOnly() {
			names = append(names, fmt.Sprintf("when[%d].key", i))
		}
	}
	return names
}

func compileRule(action proxyconfig.Action, in proxyconfig.Rule) (rule, error) {
	out := rule{httpOnly: len(HTTPOnlyFields(in)) > 0}
	for i, source := range in.From {
		checks, err := compileFields(action, sourceFields(source))
		if err != nil {
			return rule{}, fmt.Errorf("from[%d].source%w", i, err)
		}
		out.from = append(out.from, checks)
	}
	for i, operation := range in.To {
		checks, err := compileFields(action, operationFields(operation))
		if err != nil {
			return rule{}, fmt.Errorf("to[%d].operation%w", i, err)
		}
		out.to = append(out.to, checks)
	}
	for i, condition := range in.When {
		key, err := ParseConditionKey(condition.Key)
		if err != nil {
			return rule{}, fmt.Errorf("when[%d].key: %w", i, err)
		}
		checks, err := compileFields(action, []field{
			{"values", key, condition.Values, false},
			{"notValues", key, condition.NotValues, true},
		})
		if err != nil {
			return rule{}, fmt.Errorf("when[%d]%w", i, err)
		}
		out.when = append(out.when, checks...)
	}
	return out, nil
}

// errNoField refuses what would match everything: the compiler never makes it, so something was lost on the way.
var errNoField = errors.New(": no field has a value")

// compileFields makes one check of each field that has values. Its errors begin with the rest of the field's path.
func compileFields(action proxyconfig.Action, fields []field) ([]check, error) {
	var checks []check
	for _, f := range fields {
		if len(f.values) == 0 {
			continue
		}
		c := check{attr: f.key.attr, header: f.key.header, negate: f.negate}
		c.wide = (action == proxyconfig.Allow) == f.negate
		for i, value := range f.values {
			if err := c.add(value); err != nil {
				return nil, fmt.Errorf(".%s[%d]: %w", f.name, i, err)
			}
		}
		checks = append(checks, c)
	}
	if len(checks) == 0 {
		return nil, errNoField
	}
	return checks, nil
}

// matches is pure and allocates nothing.
func (r *rule) matches(f *facts) bool {
	return anyOf(r.from, f) && anyOf(r.to, f) && allOf(r.when, f)
}

func anyOf(alternatives [][]check, f *facts) bool {
	for _, checks := range alternatives {
		if allOf(checks, f) {
			return true
		}
	}
	return len(alternatives) == 0
}

func allOf(checks []check, f *facts) bool {
	for i := range checks {
		if !checks[i].holds(f) {
			return false
		}
	}
	return true
}
