package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TrustDomain is where trust lives: it is named after the trust domain, says where the workload CA comes from and how long
// identities live, and reports which roots are trusted, which one signs and what expires when. The operator makes the one
// it serves on its first start.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=wtd,categories=warifu
// +kubebuilder:printcolumn:name="Issuer",type=string,JSONPath=`.spec.issuer.type`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Identities",type=integer,JSONPath=`.status.identities.issued`
// +kubebuilder:printcolumn:name="CA Expires",type=string,JSONPath=`.status.signer.notAfter`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type TrustDomain struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +kubebuilder:default={}
	Spec   TrustDomainSpec   `json:"spec,omitempty"`
	Status TrustDomainStatus `json:"status,omitempty"`
}

// TrustDomainSpec is what people write.
type TrustDomainSpec struct {
	// aliases are former names of this trust domain, whose peers and principals are still accepted.
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=255
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9._-]+$`
	// +listType=set
	// +optional
	Aliases []string `json:"aliases,omitempty"`
	// issuer says who signs.
	// +kubebuilder:default={}
	// +optional
	Issuer IssuerSpec `json:"issuer,omitempty"`
	// ca describes the CA that the built-in issuer makes on first start.
	// +kubebuilder:default={}
	// +optional
	CA CASpec `json:"ca,omitempty"`
	// workloadCertificates describes what is issued to workloads.
	// +kubebuilder:default={}
	// +optional
	WorkloadCertificates WorkloadCertificateSpec `json:"workloadCertificates,omitempty"`
}

// IssuerSpec says who signs workload certificates.
type IssuerSpec struct {
	// type of the issuer. Builtin: the operator signs with a CA key in a Secret of its own namespace.
	// +kubebuilder:default=Builtin
	// +optional
	Type IssuerType `json:"type,omitempty"`
}

// IssuerType names an issuer.
// +kubebuilder:validation:Enum=Builtin
type IssuerType string

// IssuerBuiltin: the operator signs.
const IssuerBuiltin IssuerType = "Builtin"

// CASpec describes the workload CA.
type CASpec struct {
	// secretName is the Secret in the operator's namespace with tls.crt, tls.key and ca.crt. With the default name the
	// operator makes the CA when the Secret is missing; any other name is yours to bring, and is never written.
	// +kubebuilder:default=warifu-ca
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	// +optional
	SecretName string `json:"secretName,omitempty"`
	// lifetime of a CA that the operator makes; a change holds for the next one.
	// +kubebuilder:default="87600h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('24h')",message="a CA lives at least 24h"
	// +optional
	Lifetime *metav1.Duration `json:"lifetime,omitempty"`
}

// WorkloadCertificateSpec describes the certificates of workloads.
type WorkloadCertificateSpec struct {
	// keyAlgorithm of workload keys.
	// +kubebuilder:default=ECDSA_P256
	// +optional
	KeyAlgorithm KeyAlgorithm `json:"keyAlgorithm,omitempty"`
	// lifetime of a workload certificate; it is renewed at half of it. The operator refuses less than 10m unless it was
	// started with the test setting: kubelet needs up to 90 s to deliver a renewed Secret.
	// +kubebuilder:default="24h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10s') && duration(self) <= duration('2160h')",message="a workload certificate lives between 10m (10s with the operator's test setting) and 2160h"
	// +optional
	Lifetime *metav1.Duration `json:"lifetime,omitempty"`
}

// KeyAlgorithm is the algorithm of a key.
// +kubebuilder:validation:Enum=ECDSA_P256;ECDSA_P384;Ed25519
type KeyAlgorithm string

// The key algorithms.
const (
	ECDSAP256 KeyAlgorithm = "ECDSA_P256"
	ECDSAP384 KeyAlgorithm = "ECDSA_P384"
	Ed25519   KeyAlgorithm = "Ed25519"
)

// TrustDomainStatus is what the operator observed.
type TrustDomainStatus struct {
	// observedGeneration is the generation that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// roots are the certificates that workloads trust.
	// +listType=atomic
	// +optional
	Roots []CertificateStatus `json:"roots,omitempty"`
	// signer is the certificate that signs workload certificates now.
	// +optional
	Signer *CertificateStatus `json:"signer,omitempty"`
	// identities counts the workload certificates.
	// +optional
	Identities IdentityStatus `json:"identities,omitempty"`
	// conditions: Ready, IdentitiesIssued.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// CertificateStatus describes a CA certificate.
type CertificateStatus struct {
	// subject of the certificate.
	Subject string `json:"subject"`
	// sha256 of the certificate (DER), in hexadecimal.
	SHA256 string `json:"sha256"`
	// serialNumber in hexadecimal.
	SerialNumber string `json:"serialNumber"`
	// notBefore is when it begins to be valid.
	NotBefore metav1.Time `json:"notBefore"`
	// notAfter is when it expires.
	NotAfter metav1.Time `json:"notAfter"`
}

// IdentityStatus counts workload certificates.
type IdentityStatus struct {
	// issued is the number of ServiceAccounts with a valid certificate.
	Issued int32 `json:"issued"`
	// pending is the number of ServiceAccounts that wait for one.
	Pending int32 `json:"pending"`
	// failed is the number of ServiceAccounts whose last attempt failed; events on them say why.
	Failed int32 `json:"failed"`
	// nextRenewal is when the next certificate is due.
	// +optional
	NextRenewal *metav1.Time `json:"nextRenewal,omitempty"`
}

// TrustDomainList is a list of TrustDomains.
// +kubebuilder:object:root=true
type TrustDomainList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []TrustDomain `json:"items"`
}
