package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkloadSelector selects pods by label equality; all labels must match.
type WorkloadSelector struct {
	// matchLabels are the labels that a pod must carry.
	// +kubebuilder:validation:MaxProperties=4096
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && !k.contains('*') && !self[k].contains('*'))",message="matchLabels compares by equality: no empty key, and no '*' in a key or a value"
	// +optional
	MatchLabels map[string]LabelValue `json:"matchLabels,omitempty"`
}

// LabelValue is a label's value; it may be empty.
// +kubebuilder:validation:MaxLength=63
type LabelValue string

// PolicyStatus is the status of the three policy kinds.
type PolicyStatus struct {
	// observedGeneration is the generation that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// workloads is the number of pods that the policy selects now.
	// +optional
	Workloads int32 `json:"workloads"`
	// conditions: Accepted, Programmed, Conflicted.
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

// ConditionReady is the one condition of a TrustDomain: identities can be issued.
const ConditionReady = "Ready"
