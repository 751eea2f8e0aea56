package certmanager

import "github.com/warifu/warifu/internal/issuer"

// Reasons of cert-manager's part: of the conditions Ready and IssuerReady of a TrustDomain and, where one ServiceAccount is
// concerned, of events about it.
const (
	// NotInstalled: the API server does not know cert-manager's kinds.
	NotInstalled issuer.Reason = "CertManagerNotInstalled"
	// Forbidden: the operator lacks the rights to use cert-manager.
	Forbidden issuer.Reason = "CertManagerForbidden"
	// IssuerNotFound: the issuer does not exist.
	IssuerNotFound issuer.Reason = "IssuerNotFound"
	// IssuerNotReady: the issuer says of itself that it cannot issue.
	IssuerNotReady issuer.Reason = "IssuerNotReady"
	// IssuerNotNamespaced: an intermediate may not come from an issuer that every namespace can ask.
	IssuerNotNamespaced issuer.Reason = "IssuerNotNamespaced"
	// IssuerFailed: the issuer could not issue; cert-manager tries again, ever less often.
	IssuerFailed issuer.Reason = "IssuerFailed"
	// IssuanceSlow: cert-manager has been at it for more than two minutes.
	IssuanceSlow issuer.Reason = "IssuanceSlow"
	// RequestDenied: somebody denied the request, or it was found invalid.
	RequestDenied issuer.Reason = "RequestDenied"
	// WrongCertificate: the issuer returned what cert-manager did not accept, such as a certificate for another key.
	WrongCertificate issuer.Reason = "WrongCertificate"
	// NotOurs: a Certificate that Warifu did not make has the name of one of its own. It is not touched.
	NotOurs issuer.Reason = "CertificateNotOurs"
	// CANotIssued: the intermediate has not been issued yet.
	CANotIssued issuer.Reason = "CANotIssued"
	// RootsInvalid: spec.issuer.certManager.roots are no CA certificates.
	RootsInvalid issuer.Reason = "RootsInvalid"
	// RootUnknown: the issuer does not tell its root, and none is configured.
	RootUnknown issuer.Reason = "RootUnknown"
	// RootMismatch: the intermediate does not lead to a root that is trusted.
	RootMismatch issuer.Reason = "RootMismatch"
	// ApprovalUnproven: it is being tried out whether somebody approves requests automatically.
	ApprovalUnproven issuer.Reason = "ApprovalUnproven"
	// AutoApprovalOn: somebody else approves requests to the issuer, so anybody could have any identity.
	AutoApprovalOn issuer.Reason = "AutoApprovalOn"
)
