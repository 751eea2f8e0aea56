package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AuthorizationPolicy says which identity may do what. A matching DENY denies; else, where any ALLOW selects the workload,
// only what an ALLOW matches is allowed; else everything is allowed. AUDIT is logged and decides nothing.
//
// It holds for its namespace, in the root namespace for the whole mesh; a selector narrows that to the pods it selects.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=wap,categories=warifu
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.action`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Conflicted",type=string,JSONPath=`.status.conditions[?(@.type=="Conflicted")].reason`,priority=1
// +kubebuilder:printcolumn:name="Workloads",type=integer,JSONPath=`.status.workloads`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AuthorizationPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   AuthorizationPolicySpec `json:"spec,omitempty"`
	Status PolicyStatus            `json:"status,omitempty"`
}

// AuthorizationPolicySpec says which workloads are meant and what the policy does with which requests.
// +kubebuilder:validation:XValidation:rule="!has(self.action) || self.action != 'CUSTOM'",message="CUSTOM is not supported: Warifu asks no external authorizer; write the decision as ALLOW and DENY rules",fieldPath=".action"
// +kubebuilder:validation:XValidation:rule="!has(self.provider)",message="provider is not supported: it belongs to CUSTOM; write the decision as ALLOW and DENY rules",fieldPath=".provider"
// +kubebuilder:validation:XValidation:rule="!has(self.targetRef)",message="targetRef is not supported: Warifu has no waypoints; choose the pods with selector",fieldPath=".targetRef"
// +kubebuilder:validation:XValidation:rule="!has(self.targetRefs)",message="targetRefs is not supported: Warifu has no waypoints; choose the pods with selector",fieldPath=".targetRefs"
// +kubebuilder:validation:XValidation:rule="!has(self.action) || self.action != 'DENY' || (has(self.rules) && size(self.rules) > 0)",message="a DENY policy without rules never denies: add a rule, or rules: [{}] to deny everything"
type AuthorizationPolicySpec struct {
	// selector chooses pods: of the policy's namespace, or of every namespace when the policy is in the root namespace.
	// Without it the policy holds for the whole namespace, or the mesh.
	// +optional
	Selector *WorkloadSelector `json:"selector,omitempty"`
	// action is what a match does. ALLOW allows; where any ALLOW selects a workload, only what one of them matches is allowed.
	// DENY denies, before every ALLOW. AUDIT is logged and decides nothing.
	// +kubebuilder:default=ALLOW
	// +optional
	Action AuthorizationAction `json:"action,omitempty"`
	// rules are alternatives: the policy matches when one of them does. ALLOW without rules allows nothing; a rule `{}`
	// matches everything.
	// +kubebuilder:validation:MaxItems=512
	// +optional
	Rules []Rule `json:"rules,omitempty"`

	// provider is not supported: it belongs to CUSTOM.
	// +optional
	Provider *ExtensionProvider `json:"provider,omitempty"`
	// targetRef is not supported: use selector.
	// +optional
	TargetRef *PolicyTargetReference `json:"targetRef,omitempty"`
	// targetRefs is not supported: use selector.
	// +optional
	TargetRefs []PolicyTargetReference `json:"targetRefs,omitempty"`
}

// AuthorizationAction names what a match does.
// +kubebuilder:validation:Enum=ALLOW;DENY;AUDIT;CUSTOM
type AuthorizationAction string

// The actions. CUSTOM is declared so that it can be refused with the way out.
const (
	ActionAllow  AuthorizationAction = "ALLOW"
	ActionDeny   AuthorizationAction = "DENY"
	ActionAudit  AuthorizationAction = "AUDIT"
	ActionCustom AuthorizationAction = "CUSTOM"
)

// ExtensionProvider names an external authorizer. It is declared so that it can be refused with the way out.
type ExtensionProvider struct {
	// name of the provider.
	// +optional
	Name string `json:"name,omitempty"`
}

// PolicyTargetReference names an object that a policy is attached to. It is declared so that it can be refused with the way
// out.
type PolicyTargetReference struct {
	// group of the object.
	// +optional
	Group string `json:"group,omitempty"`
	// kind of the object.
	// +optional
	Kind string `json:"kind,omitempty"`
	// name of the object.
	// +optional
	Name string `json:"name,omitempty"`
	// namespace of the object.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// Rule matches when one entry of from, one entry of to and all entries of when match. What is absent matches everything.
type Rule struct {
	// from says who asks: one of the entries must match. Absent: anyone.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	// +optional
	From []From `json:"from,omitempty"`
	// to says what is asked for: one of the entries must match. Absent: anything.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	// +optional
	To []To `json:"to,omitempty"`
	// when lists further conditions, all of which must hold.
	// +kubebuilder:validation:MaxItems=512
	// +optional
	When []Condition `json:"when,omitempty"`
}

// From holds one source.
type From struct {
	// source describes a peer.
	// +kubebuilder:validation:Required
	Source *Source `json:"source,omitempty"`
}

// Source describes a peer: its fields are ANDed, the values of a field ORed. A not field is the negation of that OR, and so
// is true of a peer that lacks the attribute: notPrincipals ["*"] matches plaintext.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.requestPrincipals) && !has(self.notRequestPrincipals)",message="requestPrincipals and notRequestPrincipals are not supported: Warifu verifies no JSON Web Tokens; use principals, or check tokens in the application"
// +kubebuilder:validation:XValidation:rule="!has(self.remoteIpBlocks) && !has(self.notRemoteIpBlocks)",message="remoteIpBlocks and notRemoteIpBlocks are not supported: nothing vouches for a forwarded address; use ipBlocks for the direct peer"
// +kubebuilder:validation:XValidation:rule="!(has(self.serviceAccounts) || has(self.notServiceAccounts)) || !(has(self.principals) || has(self.notPrincipals) || has(self.namespaces) || has(self.notNamespaces))",message="serviceAccounts and notServiceAccounts cannot stand beside principals or namespaces in one source: write the namespace into the service account (namespace/name), or use two sources"
type Source struct {
	// principals are SPIFFE IDs without the scheme, such as cluster.local/ns/web/sa/frontend; a prefix `p*`, a suffix `*p`, or
	// `*` for any peer that proved an identity.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	Principals []string `json:"principals,omitempty"`
	// notPrincipals are SPIFFE IDs that the peer must not have; also true of a peer without any.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotPrincipals []string `json:"notPrincipals,omitempty"`
	// namespaces of the peer, from its SPIFFE ID.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// notNamespaces are namespaces that the peer must not be in; also true of a peer without identity.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotNamespaces []string `json:"notNamespaces,omitempty"`
	// serviceAccounts of the peer: namespace/name, or name for the policy's own namespace. No wildcards.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=320
	// +optional
	ServiceAccounts []string `json:"serviceAccounts,omitempty"`
	// notServiceAccounts are service accounts that the peer must not run as; also true of a peer without identity.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=320
	// +optional
	NotServiceAccounts []string `json:"notServiceAccounts,omitempty"`
	// trustDomains of the peer.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	TrustDomains []string `json:"trustDomains,omitempty"`
	// notTrustDomains are trust domains that the peer must not belong to; also true of a peer without identity.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotTrustDomains []string `json:"notTrustDomains,omitempty"`
	// ipBlocks of the directly connected peer: addresses or CIDRs.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	IPBlocks []string `json:"ipBlocks,omitempty"`
	// notIpBlocks are addresses or CIDRs that the directly connected peer must not have.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotIPBlocks []string `json:"notIpBlocks,omitempty"`

	// requestPrincipals is not supported: Warifu verifies no JSON Web Tokens.
	// +optional
	RequestPrincipals []string `json:"requestPrincipals,omitempty"`
	// notRequestPrincipals is not supported: Warifu verifies no JSON Web Tokens.
	// +optional
	NotRequestPrincipals []string `json:"notRequestPrincipals,omitempty"`
	// remoteIpBlocks is not supported until a gateway can vouch for forwarded addresses: use ipBlocks.
	// +optional
	RemoteIPBlocks []string `json:"remoteIpBlocks,omitempty"`
	// notRemoteIpBlocks is not supported until a gateway can vouch for forwarded addresses: use notIpBlocks.
	// +optional
	NotRemoteIPBlocks []string `json:"notRemoteIpBlocks,omitempty"`
}

// To holds one operation.
type To struct {
	// operation describes what is asked for.
	// +kubebuilder:validation:Required
	Operation *Operation `json:"operation,omitempty"`
}

// Operation describes what is asked for: its fields are ANDed, the values of a field ORed, a not field is the negation of
// that OR. Hosts, methods and paths exist in HTTP only: on other ports an ALLOW rule with them never matches, and a DENY rule
// matches without them.
// +kubebuilder:validation:MinProperties=1
type Operation struct {
	// hosts of the request (HTTP), case-insensitive; a port that the client sent is part of the value. A prefix `h*`, a suffix
	// `*h`, or `*`.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	Hosts []string `json:"hosts,omitempty"`
	// notHosts are hosts that the request must not be for (HTTP).
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotHosts []string `json:"notHosts,omitempty"`
	// ports of the workload (the targetPort of a Service, not its port), each as a string such as "8080".
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	Ports []string `json:"ports,omitempty"`
	// notPorts are workload ports that the request must not be for.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotPorts []string `json:"notPorts,omitempty"`
	// methods of the request (HTTP), case-sensitive; gRPC is POST.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	Methods []string `json:"methods,omitempty"`
	// notMethods are methods that the request must not have (HTTP).
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotMethods []string `json:"notMethods,omitempty"`
	// paths of the request (HTTP) without the query, after normalisation: exact, a prefix `p*`, a suffix `*p`, or a template
	// in which {*} is one segment and {**}, at the end of the operators, any number of them.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	Paths []string `json:"paths,omitempty"`
	// notPaths are paths that the request must not be for (HTTP).
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotPaths []string `json:"notPaths,omitempty"`
}

// Condition compares one attribute.
// +kubebuilder:validation:XValidation:rule="has(self.values) || has(self.notValues)",message="a condition needs values or notValues: add one, or remove the condition"
// +kubebuilder:validation:XValidation:rule="!self.key.startsWith('request.auth.')",message="request.auth.* is not supported: Warifu verifies no JSON Web Tokens; use source.principal, or check tokens in the application",fieldPath=".key"
// +kubebuilder:validation:XValidation:rule="self.key != 'remote.ip'",message="remote.ip is not supported: nothing vouches for a forwarded address; use source.ip for the direct peer",fieldPath=".key"
// +kubebuilder:validation:XValidation:rule="!self.key.startsWith('experimental.')",message="experimental.* is not supported: there are no Envoy filters; remove the condition",fieldPath=".key"
type Condition struct {
	// key of the attribute: source.ip, source.namespace, source.serviceAccount, source.principal, source.trustDomain,
	// destination.ip, destination.port, connection.sni, or request.headers[name].
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Key string `json:"key"`
	// values of which the attribute must be one.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	Values []string `json:"values,omitempty"`
	// notValues of which the attribute must be none.
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	NotValues []string `json:"notValues,omitempty"`
}

// AuthorizationPolicyList is a list of AuthorizationPolicies.
// +kubebuilder:object:root=true
type AuthorizationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []AuthorizationPolicy `json:"items"`
}
