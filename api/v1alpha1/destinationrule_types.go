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

	Spec   DestinationRuleSpec `json:"spec,omitempty"`
	Status PolicyStatus        `json:"status,omitempty"`
}

// DestinationRuleSpec is what people write.
type DestinationRuleSpec struct {
	// host is a Service (a short name in the rule's own namespace, or its FQDN), a wildcard (`*`, `*.prod.svc.cluster.local`) or an IP literal.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Host string `json:"host"`
	// trafficPolicy holds for every port and subset that sets nothing of its own.
	// +optional
	TrafficPolicy *TrafficPolicy `json:"trafficPolicy,omitempty"`
	// subsets are named parts of the host's workloads.
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Subsets []Subset `json:"subsets,omitempty"`
	// exportTo lists the namespaces whose clients see the rule: `*` all (the default), `.` the rule's own, or names.
	// +kubebuilder:validation:MaxItems=256
	// +optional
	ExportTo []string `json:"exportTo,omitempty"`
	// workloadSelector restricts the rule to the client pods it selects, in the rule's own namespace.
	// +optional
	WorkloadSelector *WorkloadSelector `json:"workloadSelector,omitempty"`
}

// TrafficPolicy holds the TLS settings of a destination. Only TLS is Warifu's business: Istio's other traffic settings are
// refused with the way out, never ignored.
type TrafficPolicy struct {
	// tls is how a connection begins; absent: mutual TLS wherever the endpoint can do it.
	// +optional
	TLS *ClientTLSSettings `json:"tls,omitempty"`
	// portLevelSettings are the settings of single service ports. A port without tls inherits the one above.
	// +kubebuilder:validation:MaxItems=128
	// +optional
	PortLevelSettings []PortTrafficPolicy `json:"portLevelSettings,omitempty"`

	UnsupportedTrafficSettings `json:",inline"`
	// tunnel is not supported.
	// +optional
	Tunnel *apiextensionsv1.JSON `json:"tunnel,omitempty"`
	// proxyProtocol is not supported.
	// +optional
	ProxyProtocol *apiextensionsv1.JSON `json:"proxyProtocol,omitempty"`
	// retryBudget is not supported.
	// +optional
	RetryBudget *apiextensionsv1.JSON `json:"retryBudget,omitempty"`
}

// UnsupportedTrafficSettings are the fields of Istio's traffic policies that have nothing to do with TLS.
type UnsupportedTrafficSettings struct {
	// loadBalancer is not supported.
	// +optional
	LoadBalancer *apiextensionsv1.JSON `json:"loadBalancer,omitempty"`
	// connectionPool is not supported.
	// +optional
	ConnectionPool *apiextensionsv1.JSON `json:"connectionPool,omitempty"`
	// outlierDetection is not supported.
	// +optional
	OutlierDetection *apiextensionsv1.JSON `json:"outlierDetection,omitempty"`
}

// PortTrafficPolicy is the policy of one service port.
type PortTrafficPolicy struct {
	// port is the service port.
	// +optional
	Port *PortSelector `json:"port,omitempty"`
	// tls is how a connection to that port begins.
	// +optional
	TLS *ClientTLSSettings `json:"tls,omitempty"`

	UnsupportedTrafficSettings `json:",inline"`
}

// PortSelector names a service port.
type PortSelector struct {
	// number of the service port.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Number uint32 `json:"number"`
}

// Subset is a named part of the host's workloads.
type Subset struct {
	// name, unique in the rule.
	Name string `json:"name"`
	// labels of the subset's pods.
	// +optional
	Labels map[string]LabelValue `json:"labels,omitempty"`
	// trafficPolicy of the subset; without tls it inherits the rule's.
	// +optional
	TrafficPolicy *TrafficPolicy `json:"trafficPolicy,omitempty"`
}

// ClientTLSSettings is how a client begins a connection.
type ClientTLSSettings struct {
	// mode is required: Istio reads `tls: {}` as DISABLE, which is plaintext; say DISABLE if that is meant.
	// +optional
	Mode ClientTLSMode `json:"mode,omitempty"`
	// clientCertificate is a file with the client's certificate chain (MUTUAL), below /var/run/secrets/warifu.dev/volumes/.
	// +optional
	ClientCertificate string `json:"clientCertificate,omitempty"`
	// privateKey is a file with the client's key (MUTUAL).
	// +optional
	PrivateKey string `json:"privateKey,omitempty"`
	// caCertificates is a file with the roots that the server must chain to (SIMPLE, MUTUAL); absent: the system's roots.
	// +optional
	CACertificates string `json:"caCertificates,omitempty"`
	// caCrl is a file with certificate revocation lists (SIMPLE, MUTUAL).
	// +optional
	CACRL string `json:"caCrl,omitempty"`
	// credentialName is a Secret in the client's namespace instead of files (SIMPLE, MUTUAL). It needs workloadSelector.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	CredentialName string `json:"credentialName,omitempty"`
	// subjectAltNames of which the server must prove one; absent: the service's SPIFFE IDs (ISTIO_MUTUAL) or its FQDN (SIMPLE, MUTUAL).
	// +kubebuilder:validation:MaxItems=256
	// +optional
	SubjectAltNames []string `json:"subjectAltNames,omitempty"`
	// sni to send; absent: the service's FQDN.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SNI string `json:"sni,omitempty"`
	// insecureSkipVerify turns verification of the server off (SIMPLE, MUTUAL).
	// +optional
	InsecureSkipVerify *bool `json:"insecureSkipVerify,omitempty"`
}

// ClientTLSMode is how a client begins a connection.
// +kubebuilder:validation:Enum=DISABLE;SIMPLE;MUTUAL;ISTIO_MUTUAL
type ClientTLSMode string

// The modes.
const (
	ClientTLSDisable     ClientTLSMode = "DISABLE"
	ClientTLSSimple      ClientTLSMode = "SIMPLE"
	ClientTLSMutual      ClientTLSMode = "MUTUAL"
	ClientTLSIstioMutual ClientTLSMode = "ISTIO_MUTUAL"
)

// DestinationRuleList is a list of DestinationRules.
// +kubebuilder:object:root=true
type DestinationRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []DestinationRule `json:"items"`
}
