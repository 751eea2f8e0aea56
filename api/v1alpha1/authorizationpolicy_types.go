package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
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

// AuthorizationPolicySpec is what people write.
type AuthorizationPolicySpec struct {
	// selector chooses pods: of the policy's namespace, or of every namespace when the policy is in the root namespace.
	// +optional
	Selector *WorkloadSelector `json:"selector,omitempty"`
	// action of the policy.
	// +kubebuilder:default=ALLOW
	// +optional
	Action AuthorizationAction `json:"action,omitempty"`
	// rules: the policy matches when one of them does. ALLOW without rules allows nothing.
	// +kubebuilder:validation:MaxItems=512
	// +optional
	Rules []Rule `json:"rules,omitempty"`

	// provider belongs to CUSTOM, which is not supported.
	// +optional
	Provider *apiextensionsv1.JSON `json:"provider,omitempty"`
	// targetRef is not supported: use selector.
	// +optional
	TargetRef *apiextensionsv1.JSON `json:"targetRef,omitempty"`
	// targetRefs is not supported: use selector.
	// +optional
	TargetRefs *apiextensionsv1.JSON `json:"targetRefs,omitempty"`
}

// AuthorizationAction is what a match does.
// +kubebuilder:validation:Enum=ALLOW;DENY;AUDIT;CUSTOM
type AuthorizationAction string

// The actions. CUSTOM is declared so that it can be refused with the way out.
const (
	ActionAllow  AuthorizationAction = "ALLOW"
	ActionDeny   AuthorizationAction = "DENY"
	ActionAudit  AuthorizationAction = "AUDIT"
	ActionCustom AuthorizationAction = "CUSTOM"
)

// Rule matches when one of from, one of to and all of when match.
type Rule struct {
	// from: who asks. Absent: anyone.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	// +optional
	From []From `json:"from,omitempty"`
	// to: what is asked for. Absent: anything.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=512
	// +optional
	To []To `json:"to,omitempty"`
	// when: further conditions, all of which must hold.
	// +kubebuilder:validation:MaxItems=512
	// +optional
	When []Condition `json:"when,omitempty"`
}

// From holds one source.
type From struct {
	// source describes a peer.
	// +optional
	Source *Source `json:"source,omitempty"`
}

// Source describes a peer: its fields are ANDed, the values of a field ORed. A not* field is also true of a peer that has
// no such attribute: notPrincipals ["*"] matches plaintext.
type Source struct {
	// principals are SPIFFE IDs without the scheme, such as cluster.local/ns/web/sa/frontend; `*`, a prefix `p*` or a suffix `*p`.
	// +optional
	Principals []string `json:"principals,omitempty"`
	// +optional
	NotPrincipals []string `json:"notPrincipals,omitempty"`
	// namespaces of the peer.
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// +optional
	NotNamespaces []string `json:"notNamespaces,omitempty"`
	// serviceAccounts of the peer: namespace/name, or name for the policy's own namespace.
	// +optional
	ServiceAccounts []string `json:"serviceAccounts,omitempty"`
	// +optional
	NotServiceAccounts []string `json:"notServiceAccounts,omitempty"`
	// trustDomains of the peer.
	// +optional
	TrustDomains []string `json:"trustDomains,omitempty"`
	// +optional
	NotTrustDomains []string `json:"notTrustDomains,omitempty"`
	// ipBlocks of the directly connected peer: addresses or CIDRs.
	// +optional
	IPBlocks []string `json:"ipBlocks,omitempty"`
	// +optional
	NotIPBlocks []string `json:"notIpBlocks,omitempty"`

	// requestPrincipals is not supported: Warifu verifies no JSON Web Tokens.
	// +optional
	RequestPrincipals []string `json:"requestPrincipals,omitempty"`
	// notRequestPrincipals is not supported.
	// +optional
	NotRequestPrincipals []string `json:"notRequestPrincipals,omitempty"`
	// remoteIpBlocks is not supported until a gateway can vouch for forwarded addresses: use ipBlocks.
	// +optional
	RemoteIPBlocks []string `json:"remoteIpBlocks,omitempty"`
	// notRemoteIpBlocks is not supported.
	// +optional
	NotRemoteIPBlocks []string `json:"notRemoteIpBlocks,omitempty"`
}

// To holds one operation.
type To struct {
	// operation describes what is asked for.
	// +optional
	Operation *Operation `json:"operation,omitempty"`
}

// Operation describes what is asked for: its fields are ANDed, the values of a field ORed.
type Operation struct {
	// hosts of the request (HTTP), case-insensitive; the port is part of the value.
	// +optional
	Hosts []string `json:"hosts,omitempty"`
	// +optional
	NotHosts []string `json:"notHosts,omitempty"`
	// ports of the workload.
	// +optional
	Ports []string `json:"ports,omitempty"`
	// +optional
	NotPorts []string `json:"notPorts,omitempty"`
	// methods of the request (HTTP), case-sensitive; gRPC is POST.
	// +optional
	Methods []string `json:"methods,omitempty"`
	// +optional
	NotMethods []string `json:"notMethods,omitempty"`
	// paths of the request (HTTP) without the query, after normalisation: exact, `p*`, `*p`, or a template with {*} and {**}.
	// +optional
	Paths []string `json:"paths,omitempty"`
	// +optional
	NotPaths []string `json:"notPaths,omitempty"`
}

// Condition compares one attribute.
type Condition struct {
	// key of the attribute, such as source.namespace or request.headers[x-token].
	Key string `json:"key"`
	// values of which the attribute must be one.
	// +optional
	Values []string `json:"values,omitempty"`
	// notValues of which the attribute must be none.
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
