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
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.identities.pending`
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.identities.failed`
// +kubebuilder:printcolumn:name="CA Expires",type=string,JSONPath=`.status.signer.notAfter`
// +kubebuilder:printcolumn:name="Next Renewal",type=string,JSONPath=`.status.identities.nextRenewal`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
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
	// +kubebuilder:default={type: Builtin}
	// +optional
	Issuer IssuerSpec `json:"issuer,omitempty"`
	// ca describes the CA with which the operator signs.
	// +kubebuilder:default={}
	// +optional
	CA CASpec `json:"ca,omitempty"`
	// additionalRoots are root certificates (PEM, at most 32) that workloads trust besides those of the CA: of another cluster of
	// the same trust domain, or of the CA that is to come.
	// +kubebuilder:validation:MaxLength=131072
	// +optional
	AdditionalRoots string `json:"additionalRoots,omitempty"`
	// workloadCertificates describes what is issued to workloads.
	// +kubebuilder:default={}
	// +optional
	WorkloadCertificates WorkloadCertificateSpec `json:"workloadCertificates,omitempty"`
}

// IssuerSpec says who signs workload certificates.
// +kubebuilder:validation:XValidation:rule="!self.type.startsWith('CertManager') || has(self.certManager)",message="certManager.issuerRef says which issuer: it is required with the types CertManagerIntermediate and CertManagerLeaf",fieldPath=".certManager"
// +kubebuilder:validation:XValidation:rule="self.type != 'CertManagerIntermediate' || !has(self.certManager) || self.certManager.issuerRef.kind != 'ClusterIssuer'",message="the CA of an intermediate comes from an Issuer in the operator's namespace: every namespace can ask a ClusterIssuer for a CA; use kind Issuer, or the type CertManagerLeaf",fieldPath=".certManager.issuerRef.kind"
// +kubebuilder:validation:XValidation:rule="self.type != 'CertManagerLeaf' || !has(self.certManager) || (has(self.certManager.roots) && size(self.certManager.roots) > 0)",message="certManager.roots says whom workloads trust: it is required with the type CertManagerLeaf, because an issuer need not tell its root",fieldPath=".certManager.roots"
type IssuerSpec struct {
	// type of the issuer. Builtin: the operator signs with a CA key in a Secret of its own namespace.
	// CertManagerIntermediate: the operator signs with an intermediate CA that a cert-manager Issuer in its own namespace
	// issues and renews. CertManagerLeaf: cert-manager issues the certificate of every ServiceAccount; its automatic
	// approval has to be off, because Warifu approves these requests itself.
	// +kubebuilder:default=Builtin
	// +optional
	Type IssuerType `json:"type,omitempty"`
	// certManager says which of cert-manager's issuers to use. With the type Builtin it has no effect, and may stay to switch
	// back.
	// +optional
	CertManager *CertManagerSpec `json:"certManager,omitempty"`
}

// IssuerType names an issuer.
// +kubebuilder:validation:Enum=Builtin;CertManagerIntermediate;CertManagerLeaf
type IssuerType string

// The issuer types.
const (
	// IssuerBuiltin: the operator signs with a CA of its own.
	IssuerBuiltin IssuerType = "Builtin"
	// IssuerCertManagerIntermediate: the operator signs with an intermediate that cert-manager issues.
	IssuerCertManagerIntermediate IssuerType = "CertManagerIntermediate"
	// IssuerCertManagerLeaf: cert-manager issues every workload certificate.
	IssuerCertManagerLeaf IssuerType = "CertManagerLeaf"
)

// CertManagerSpec says which of cert-manager's issuers signs, and whom to trust.
type CertManagerSpec struct {
	// issuerRef names the issuer. With the type CertManagerIntermediate it is an Issuer in the operator's namespace. With the
	// type CertManagerLeaf a ClusterIssuer, or an Issuer of this name in every namespace that takes part; give it to nobody
	// else, because Warifu denies every request to it that is not for a workload certificate.
	IssuerRef IssuerReference `json:"issuerRef"`
	// roots are the root certificates that workloads trust, in PEM. Where they are given, they alone are trusted, and what is
	// issued has to lead to one of them. They are required with the type CertManagerLeaf. With the type
	// CertManagerIntermediate they may be left out if the issuer tells its root: the self-signed certificate in ca.crt of
	// the Secret that cert-manager writes.
	// +kubebuilder:validation:MaxLength=131072
	// +optional
	Roots string `json:"roots,omitempty"`
}

// IssuerReference names one of cert-manager's issuers, or an external one.
// +kubebuilder:validation:XValidation:rule="self.group != 'cert-manager.io' || self.kind in ['Issuer', 'ClusterIssuer']",message="cert-manager.io has the kinds Issuer and ClusterIssuer; an external issuer has a group of its own",fieldPath=".kind"
type IssuerReference struct {
	// name of the issuer.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// kind of the issuer: Issuer, ClusterIssuer, or the kind of an external issuer.
	// +kubebuilder:default=Issuer
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9]*$`
	// +optional
	Kind string `json:"kind,omitempty"`
	// group of the issuer: cert-manager.io, or the API group of an external issuer.
	// +kubebuilder:default=cert-manager.io
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`
	// +optional
	Group string `json:"group,omitempty"`
}

// CASpec describes the workload CA.
type CASpec struct {
	// secretName is the Secret in the operator's namespace with tls.crt, tls.key and ca.crt of the built-in issuer. With the
	// default name the operator makes the CA when the Secret is missing; any other name is yours to bring, and is never
	// written.
	// +kubebuilder:default=warifu-ca
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	// +optional
	SecretName string `json:"secretName,omitempty"`
	// lifetime of a CA that the operator makes, or asks cert-manager for; a change holds for the next one. Of cert-manager it
	// asks for 2160h where this is the default.
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
	// issuer is the type of the issuer that roots and signer come from.
	// +optional
	Issuer IssuerType `json:"issuer,omitempty"`
	// roots are the certificates that workloads trust.
	// +listType=atomic
	// +optional
	Roots []CertificateStatus `json:"roots,omitempty"`
	// signer is the certificate that signs workload certificates now. With the type CertManagerLeaf nobody tells.
	// +optional
	Signer *CertificateStatus `json:"signer,omitempty"`
	// identities counts the workload certificates.
	// +optional
	Identities IdentityStatus `json:"identities,omitempty"`
	// conditions: Ready, IdentitiesIssued, RootsSettled, and with cert-manager IssuerReady.
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
