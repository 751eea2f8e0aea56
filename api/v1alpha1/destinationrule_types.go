package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DestinationRule says how workloads begin connections to a host: with the workload's own certificate (ISTIO_MUTUAL), with
// another client certificate (MUTUAL), as an ordinary TLS client (SIMPLE) or in plaintext (DISABLE). Without one, mutual TLS
// is used wherever the endpoint can do it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=wdr,categories=warifu
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.spec.host`
// +kubebuilder:printcolumn:name="TLS",type=string,JSONPath=`.spec.trafficPolicy.tls.mode`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Conflicted",type=string,JSONPath=`.status.conditions[?(@.type=="Conflicted")].reason`,priority=1
// +kubebuilder:printcolumn:name="Workloads",type=integer,JSONPath=`.status.workloads`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DestinationRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DestinationRuleSpec `json:"spec"`
	Status PolicyStatus        `json:"status,omitempty"`
}

// DestinationRuleSpec says which host is meant and how connections to it begin.
// +kubebuilder:validation:XValidation:rule="!has(self.workloadSelector) || !has(self.exportTo) || size(self.exportTo) == 0 || (size(self.exportTo) == 1 && self.exportTo[0] != '*')",message="a rule with a workloadSelector holds for its own namespace only: remove exportTo, or write exportTo: ['.']",fieldPath=".exportTo"
// +kubebuilder:validation:XValidation:rule="has(self.workloadSelector) || !has(self.trafficPolicy) || !has(self.trafficPolicy.tls) || !has(self.trafficPolicy.tls.credentialName)",message="credentialName needs a workloadSelector: the Secret is read in the client's namespace, so say which of this namespace's pods use it"
// +kubebuilder:validation:XValidation:rule="has(self.workloadSelector) || !has(self.trafficPolicy) || !has(self.trafficPolicy.portLevelSettings) || self.trafficPolicy.portLevelSettings.all(p, !has(p.tls) || !has(p.tls.credentialName))",message="credentialName needs a workloadSelector: the Secret is read in the client's namespace, so say which of this namespace's pods use it"
type DestinationRuleSpec struct {
	// host is a Service (`reviews` in the rule's own namespace, or `reviews.prod.svc.cluster.local`), a wildcard (`*`,
	// `*.prod.svc.cluster.local`) or an IP address. An exact host beats a wildcard, a longer wildcard a shorter one.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.lastIndexOf('*') <= 0",message="a host has at most one '*', at its beginning: '*', or '*.prod.svc.cluster.local'"
	// +kubebuilder:validation:XValidation:rule="!self.contains('/') && (!self.contains(':') || self.matches('^[0-9A-Fa-f:.]+$'))",message="a host is a name or an IP address alone: no scheme and no path, and a port belongs in trafficPolicy.portLevelSettings"
	Host string `json:"host"`
	// trafficPolicy holds for every port that sets nothing of its own. Without it, mutual TLS is used wherever the endpoint
	// can do it.
	// +optional
	TrafficPolicy *TrafficPolicy `json:"trafficPolicy,omitempty"`
	// subsets are named parts of the host's workloads. They are kept so that existing rules apply; nothing selects a subset
	// where connections are chosen by address, so their settings are never used.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +optional
	Subsets []Subset `json:"subsets,omitempty"`
	// exportTo lists the namespaces whose clients see the rule: `*` all (the default), `.` the rule's own, or names.
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="size(self) == 1 || !self.exists(e, e == '*')",message="'*' already means every namespace: list it alone"
	// +kubebuilder:validation:XValidation:rule="!self.exists(e, e == '~')",message="'~' exports a rule to nobody: remove the rule instead"
	// +listType=set
	// +optional
	ExportTo []string `json:"exportTo,omitempty"`
	// workloadSelector restricts the rule to the client pods it chooses, in the rule's own namespace.
	// +optional
	WorkloadSelector *WorkloadSelector `json:"workloadSelector,omitempty"`
}

// TrafficPolicy holds the TLS settings of a destination. Only TLS is Warifu's business: Istio's other traffic settings are
// refused with the way out, never ignored.
// +kubebuilder:validation:XValidation:rule="has(self.tls) || (has(self.portLevelSettings) && size(self.portLevelSettings) > 0) || has(self.loadBalancer) || has(self.connectionPool) || has(self.outlierDetection) || has(self.tunnel) || has(self.proxyProtocol) || has(self.retryBudget)",message="trafficPolicy sets nothing: set tls or portLevelSettings, or remove it"
// +kubebuilder:validation:XValidation:rule="!has(self.tunnel)",message="tunnel is not supported: connections go straight to their destination; remove the field",fieldPath=".tunnel"
// +kubebuilder:validation:XValidation:rule="!has(self.proxyProtocol)",message="proxyProtocol is not supported: remove the field",fieldPath=".proxyProtocol"
// +kubebuilder:validation:XValidation:rule="!has(self.retryBudget)",message="retryBudget is not supported: Warifu does not retry; remove the field",fieldPath=".retryBudget"
type TrafficPolicy struct {
	// tls is how a connection begins. Absent: mutual TLS wherever the endpoint can do it.
	// +optional
	TLS *ClientTLSSettings `json:"tls,omitempty"`
	// portLevelSettings are the settings of single service ports. An entry without tls inherits the tls above.
	// +kubebuilder:validation:MaxItems=128
	// +optional
	PortLevelSettings []PortTrafficPolicy `json:"portLevelSettings,omitempty"`

	UnsupportedTrafficSettings `json:",inline"`
	// tunnel is not supported: connections go straight to their destination.
	// +kubebuilder:validation:Type=object
	// +optional
	Tunnel *apiextensionsv1.JSON `json:"tunnel,omitempty"`
	// proxyProtocol is not supported.
	// +kubebuilder:validation:Type=object
	// +optional
	ProxyProtocol *apiextensionsv1.JSON `json:"proxyProtocol,omitempty"`
	// retryBudget is not supported: Warifu does not retry.
	// +kubebuilder:validation:Type=object
	// +optional
	RetryBudget *apiextensionsv1.JSON `json:"retryBudget,omitempty"`
}

// UnsupportedTrafficSettings are the fields of Istio's traffic policies that have nothing to do with TLS.
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancer)",message="loadBalancer is not supported: Kubernetes' own Service load balancing stays in place; remove the field",fieldPath=".loadBalancer"
// +kubebuilder:validation:XValidation:rule="!has(self.connectionPool)",message="connectionPool is not supported: set limits and timeouts in the application; remove the field",fieldPath=".connectionPool"
// +kubebuilder:validation:XValidation:rule="!has(self.outlierDetection)",message="outlierDetection is not supported: readiness probes take endpoints out; remove the field",fieldPath=".outlierDetection"
type UnsupportedTrafficSettings struct {
	// loadBalancer is not supported: Kubernetes' own Service load balancing stays in place.
	// +kubebuilder:validation:Type=object
	// +optional
	LoadBalancer *apiextensionsv1.JSON `json:"loadBalancer,omitempty"`
	// connectionPool is not supported: set limits and timeouts in the application.
	// +kubebuilder:validation:Type=object
	// +optional
	ConnectionPool *apiextensionsv1.JSON `json:"connectionPool,omitempty"`
	// outlierDetection is not supported: readiness probes take endpoints out.
	// +kubebuilder:validation:Type=object
	// +optional
	OutlierDetection *apiextensionsv1.JSON `json:"outlierDetection,omitempty"`
}

// PortTrafficPolicy is the policy of one service port.
// +kubebuilder:validation:XValidation:rule="has(self.tls) || has(self.loadBalancer) || has(self.connectionPool) || has(self.outlierDetection)",message="the entry sets nothing: set tls, or remove the entry"
type PortTrafficPolicy struct {
	// port is the service port (not the container's).
	// +kubebuilder:validation:Required
	Port *PortSelector `json:"port,omitempty"`
	// tls is how a connection to that port begins.
	// +optional
	TLS *ClientTLSSettings `json:"tls,omitempty"`

	UnsupportedTrafficSettings `json:",inline"`
}

// PortSelector names a service port by number.
type PortSelector struct {
	// number of the service port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Number uint32 `json:"number"`
}

// Subset is a named part of the host's workloads.
type Subset struct {
	// name of the subset, unique in the rule.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`
	// labels of the subset's pods.
	// +optional
	Labels map[string]LabelValue `json:"labels,omitempty"`
	// trafficPolicy of the subset; without tls it inherits the rule's.
	// +optional
	TrafficPolicy *TrafficPolicy `json:"trafficPolicy,omitempty"`
}

// DestinationRuleList is a list of DestinationRules.
// +kubebuilder:object:root=true
type DestinationRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DestinationRule `json:"items"`
}
