package v1alpha1

// Reasons of the conditions of the policy kinds. Where Accepted is False or Conflicted is True, the reason is that of the
// finding (internal/policy).
const (
	// ReasonAccepted: the object compiles.
	ReasonAccepted = "Accepted"
	// ReasonNoConflict: no other object shadows this one.
	ReasonNoConflict = "NoConflict"

	// ReasonDelivered: every selected pod has been told.
	ReasonDelivered = "Delivered"
	// ReasonEnforced: every selected pod has been told, and every proxy among them has reported that it enforces this.
	ReasonEnforced = "Enforced"
	// ReasonPending: some selected pods have not been told, or have not confirmed, yet.
	ReasonPending = "Pending"
	// ReasonNoWorkloads: nothing is selected, so there is nobody to tell.
	ReasonNoWorkloads = "NoWorkloads"
	// ReasonNotEnforced: no selected pod can enforce the policy.
	ReasonNotEnforced = "NotEnforced"
	// ReasonNotAccepted: what cannot be compiled is not programmed.
	ReasonNotAccepted = "NotAccepted"
)

// Reasons of the conditions of a TrustDomain. Where the CA is at fault, Ready has the issuer's reason (internal/issuer).
const (
	// ReasonReady: the CA signs.
	ReasonReady = "Ready"
	// ReasonInvalidSpec: a field cannot be obeyed; what was valid before stays in force.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonNotServed: the operator serves another trust domain.
	ReasonNotServed = "NotServed"
	// ReasonAPIError: the API server did not answer; it is tried again.
	ReasonAPIError = "APIError"

	// ReasonSettled: exactly the roots of the CA, and additional ones, are trusted.
	ReasonSettled = "Settled"
	// ReasonPublishingRoots: a new CA does not sign before every identity trusts it; the one before goes on.
	ReasonPublishingRoots = "PublishingRoots"
	// ReasonFormerRoots: a former root is trusted until no live certificate leads to it.
	ReasonFormerRoots = "FormerRoots"

	// ReasonIssued: every ServiceAccount that is to have an identity has one.
	ReasonIssued = "Issued"
	// ReasonSecretNotOurs: a Secret that Warifu did not make has the name of an identity Secret. It is not touched.
	ReasonSecretNotOurs = "SecretNotOurs"
	// ReasonIssueFailed: signing or writing failed; it is tried again.
	ReasonIssueFailed = "IssueFailed"
)
