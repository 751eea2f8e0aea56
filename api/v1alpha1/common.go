package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkloadSelector chooses pods by label equality: a pod must carry all of the labels. Without labels it chooses every pod.
type WorkloadSelector struct {
	// matchLabels are the labels that a pod must carry, compared by equality: there are no wildcards.
	// +kubebuilder:validation:MaxProperties=4096
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && !k.contains('*') && !self[k].contains('*'))",message="labels are compared by equality: no empty key, and no '*' in a key or a value; write one policy for each value instead"
	// +optional
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`
}

// LabelValue is the value of a label; it may be empty.
// +kubebuilder:validation:MaxLength=63
type LabelValue string

// PolicyStatus is the status of the three policy kinds.
type PolicyStatus struct {
	// observedGeneration is the generation that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// workloads is the number of pods that the policy concerns now.
	// +optional
	Workloads int32 `json:"workloads"`
	// conditions are Accepted (the object can be compiled; else the message names the field and the way out), Programmed
	// (every workload concerned has been told) and Conflicted (another object shadows this one; the message names it).
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Condition types of the policy kinds.
const (
	// ConditionAccepted is False when the object cannot be compiled; the message says which field and the way out.
	ConditionAccepted = "Accepted"
	// ConditionProgrammed is True when every selected workload has been told.
	ConditionProgrammed = "Programmed"
	// ConditionConflicted is True when another object shadows this one; the message names it.
	ConditionConflicted = "Conflicted"
)

// Condition types of a TrustDomain.
const (
	// ConditionReady is True when identities can be issued.
	ConditionReady = "Ready"
	// ConditionIdentitiesIssued is False while ServiceAccounts wait for their identity or cannot be given one; the message
	// names some.
	ConditionIdentitiesIssued = "IdentitiesIssued"
	// ConditionIssuerReady is False while cert-manager or its issuer do not do their part, though what they issued before may
	// still serve; only with the issuer types of cert-manager.
	ConditionIssuerReady = "IssuerReady"
	// ConditionRootsSettled is False while the CA changes: a new root is being told, or a former one is still needed.
	ConditionRootsSettled = "RootsSettled"
)
