package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PeerAuthentication says what a workload's inbound ports accept: mutual TLS only (STRICT), both (PERMISSIVE) or plaintext
// only (DISABLE).
//
// Without a selector it holds for its namespace, and in the root namespace for the whole mesh. With a selector it holds for
// the pods it selects. The most specific one that sets a mode wins; among equals the oldest, then the first by name.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=wpa,categories=warifu
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mtls.mode`
// +kubebuilder:printcolumn:name="Accepted",type=string,JSONPath=`.status.conditions[?(@.type=="Accepted")].status`
// +kubebuilder:printcolumn:name="Programmed",type=string,JSONPath=`.status.conditions[?(@.type=="Programmed")].status`
// +kubebuilder:printcolumn:name="Conflicted",type=string,JSONPath=`.status.conditions[?(@.type=="Conflicted")].reason`,priority=1
// +kubebuilder:printcolumn:name="Workloads",type=integer,JSONPath=`.status.workloads`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PeerAuthentication struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PeerAuthenticationSpec `json:"spec,omitempty"`
	Status PolicyStatus           `json:"status,omitempty"`
}

// PeerAuthenticationSpec says which workloads are meant and what their ports accept.
// +kubebuilder:validation:XValidation:rule="!has(self.portLevelMtls) || (has(self.selector) && has(self.selector.matchLabels) && size(self.selector.matchLabels) > 0)",message="portLevelMtls needs a selector with matchLabels: a port belongs to a workload; say which workloads are meant, or remove portLevelMtls"
type PeerAuthenticationSpec struct {
	// selector chooses pods of the policy's own namespace. Without it the policy holds for the whole namespace, and in the
	// root namespace for the mesh. A policy in the root namespace cannot have one.
	// +optional
	Selector *WorkloadSelector `json:"selector,omitempty"`
	// mtls is the mode of every port that portLevelMtls does not list.
	// +optional
	MTLS *MutualTLS `json:"mtls,omitempty"`
	// portLevelMtls sets the mode of single ports, by number. The number is the workload's (container) port, that is the
	// targetPort of a Service and not its port. Needs a selector.
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=128
	// +kubebuilder:validation:XValidation:rule="self.all(p, p.matches('^[1-9][0-9]{0,4}$') && int(p) <= 65535)",message="a key of portLevelMtls is a workload port: a number from 1 to 65535"
	// +optional
	PortLevelMTLS map[string]MutualTLS `json:"portLevelMtls,omitempty"`
}

// MutualTLS says what a port accepts.
type MutualTLS struct {
	// mode is STRICT (mutual TLS only), PERMISSIVE (mutual TLS or plaintext) or DISABLE (plaintext only). Absent or UNSET
	// takes the mode of the next wider policy: of the workload, the namespace, the mesh; PERMISSIVE in the end.
	// +optional
	Mode MutualTLSMode `json:"mode,omitempty"`
}

// MutualTLSMode names what an inbound port accepts.
// +kubebuilder:validation:Enum=UNSET;DISABLE;PERMISSIVE;STRICT
type MutualTLSMode string

// The modes.
const (
	MutualTLSUnset      MutualTLSMode = "UNSET"
	MutualTLSDisable    MutualTLSMode = "DISABLE"
	MutualTLSPermissive MutualTLSMode = "PERMISSIVE"
	MutualTLSStrict     MutualTLSMode = "STRICT"
)

// PeerAuthenticationList is a list of PeerAuthentications.
// +kubebuilder:object:root=true
type PeerAuthenticationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []PeerAuthentication `json:"items"`
}
