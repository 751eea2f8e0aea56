package proxyconfig

// Action of an authorization policy. CUSTOM is refused by the compiler and never reaches a proxy.
type Action string

// The actions that a proxy understands.
const (
	Allow Action = "ALLOW"
	Deny  Action = "DENY"
	Audit Action = "AUDIT"
)

// Policy is one compiled AuthorizationPolicy. Names are resolved: short service accounts carry their namespace, principals
// carry every alias of the trust domain.
type Policy struct {
	Object ObjectRef `json:"object"`
	Action Action    `json:"action"`
	// DryRun policies are evaluated and reported, without effect.
	DryRun bool `json:"dryRun,omitempty"`
	// Broken says why the policy could not be compiled. A broken ALLOW or DENY denies everything it selects.
	Broken string `json:"broken,omitempty"`
	Rules  []Rule `json:"rules,omitempty"`
}

// Rule matches when one of From, one of To and all of When match; an empty list matches everything.
type Rule struct {
	From []Source    `json:"from,omitempty"`
	To   []Operation `json:"to,omitempty"`
	When []Condition `json:"when,omitempty"`
}

// Source describes a peer. Fields are ANDed; the values of a field are ORed; a Not field is the negation of that OR, and
// is therefore true of a peer that lacks the attribute.
type Source struct {
	Principals         []string `json:"principals,omitempty"`
	NotPrincipals      []string `json:"notPrincipals,omitempty"`
	Namespaces         []string `json:"namespaces,omitempty"`
	NotNamespaces      []string `json:"notNamespaces,omitempty"`
	ServiceAccounts    []string `json:"serviceAccounts,omitempty"`
	NotServiceAccounts []string `json:"notServiceAccounts,omitempty"`
	TrustDomains       []string `json:"trustDomains,omitempty"`
	NotTrustDomains    []string `json:"notTrustDomains,omitempty"`
	IPBlocks           []string `json:"ipBlocks,omitempty"`
	NotIPBlocks        []string `json:"notIpBlocks,omitempty"`
}

// Operation describes what is asked for, with the same logic as Source. Ports are workload ports.
type Operation struct {
	Hosts      []string `json:"hosts,omitempty"`
	NotHosts   []string `json:"notHosts,omitempty"`
	Ports      []string `json:"ports,omitempty"`
	NotPorts   []string `json:"notPorts,omitempty"`
	Methods    []string `json:"methods,omitempty"`
	NotMethods []string `json:"notMethods,omitempty"`
	Paths      []string `json:"paths,omitempty"`
	NotPaths   []string `json:"notPaths,omitempty"`
}

// Condition compares one attribute: it matches when the attribute is one of Values (if any are given) and none of NotValues.
type Condition struct {
	Key       string   `json:"key"`
	Values    []string `json:"values,omitempty"`
	NotValues []string `json:"notValues,omitempty"`
}
