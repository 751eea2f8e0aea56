package v1alpha1

// ClientTLSSettings is how a client begins a connection.
// +kubebuilder:validation:XValidation:rule="has(self.mode)",message="tls needs a mode: Istio reads a tls without one as DISABLE, which is plaintext; write ISTIO_MUTUAL, MUTUAL, SIMPLE or, if plaintext is meant, DISABLE"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'MUTUAL' || has(self.credentialName) || (has(self.clientCertificate) && has(self.privateKey))",message="MUTUAL needs clientCertificate and privateKey, or credentialName; with the workload's own certificate the mode is ISTIO_MUTUAL"
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || !(self.mode in ['SIMPLE', 'MUTUAL']) || !has(self.credentialName) || !(has(self.clientCertificate) || has(self.privateKey) || has(self.caCertificates) || has(self.caCrl))",message="credentialName takes the place of clientCertificate, privateKey, caCertificates and caCrl: use the Secret or the files, not both"
// +kubebuilder:validation:XValidation:rule="!has(self.insecureSkipVerify) || !self.insecureSkipVerify || !has(self.mode) || !((self.mode == 'SIMPLE' && (has(self.caCertificates) || has(self.caCrl) || has(self.credentialName) || has(self.subjectAltNames))) || (self.mode == 'MUTUAL' && (has(self.caCertificates) || has(self.caCrl) || has(self.subjectAltNames))))",message="insecureSkipVerify turns off what caCertificates, caCrl, credentialName and subjectAltNames ask for: remove it, or remove them"
// +kubebuilder:validation:XValidation:rule="!has(self.insecureSkipVerify) || !self.insecureSkipVerify || !has(self.mode) || self.mode != 'ISTIO_MUTUAL'",message="insecureSkipVerify is not supported with ISTIO_MUTUAL, where both ends always prove their identity: remove it, or list the identities you expect in subjectAltNames",fieldPath=".insecureSkipVerify"
type ClientTLSSettings struct {
	// mode is DISABLE (plaintext), SIMPLE (TLS; only the server proves itself), MUTUAL (TLS with a client certificate of your
	// own) or ISTIO_MUTUAL (mutual TLS with the workload's certificate). It is required: Istio reads a tls without a mode as
	// DISABLE.
	// +optional
	Mode ClientTLSMode `json:"mode,omitempty"`
	// clientCertificate is a PEM file with the client's certificate chain (MUTUAL), below
	// /var/run/secrets/warifu.dev/volumes/: list the pod's volume in its annotation warifu.dev/proxy-volumes.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	ClientCertificate string `json:"clientCertificate,omitempty"`
	// privateKey is a PEM file with the client's key (MUTUAL).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	PrivateKey string `json:"privateKey,omitempty"`
	// caCertificates is a PEM file with the roots that the server must chain to (SIMPLE, MUTUAL). Absent, a proxy
	// refuses the connection: it never takes the roots of a system.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	CACertificates string `json:"caCertificates,omitempty"`
	// caCrl is a PEM file with certificate revocation lists (SIMPLE, MUTUAL).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	CACRL string `json:"caCrl,omitempty"`
	// credentialName is a Secret in the client's namespace instead of files (SIMPLE, MUTUAL). It needs a workloadSelector.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	CredentialName string `json:"credentialName,omitempty"`
	// subjectAltNames are the names of which the server must prove one. Absent: the SPIFFE IDs of the service's workloads
	// (ISTIO_MUTUAL) or the service's FQDN (SIMPLE, MUTUAL).
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +optional
	SubjectAltNames []string `json:"subjectAltNames,omitempty"`
	// sni is the server name to send. Absent: the service's FQDN.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	SNI string `json:"sni,omitempty"`
	// insecureSkipVerify true turns verification of the server off (SIMPLE, MUTUAL).
	// +optional
	InsecureSkipVerify *bool `json:"insecureSkipVerify,omitempty"`
}

// ClientTLSMode names how a client begins a connection.
// +kubebuilder:validation:Enum=DISABLE;SIMPLE;MUTUAL;ISTIO_MUTUAL
type ClientTLSMode string

// The modes.
const (
	ClientTLSDisable     ClientTLSMode = "DISABLE"
	ClientTLSSimple      ClientTLSMode = "SIMPLE"
	ClientTLSMutual      ClientTLSMode = "MUTUAL"
	ClientTLSIstioMutual ClientTLSMode = "ISTIO_MUTUAL"
)
