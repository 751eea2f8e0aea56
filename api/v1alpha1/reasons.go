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
	// ReasonPending: some selected pods have not been told, or have not confirmed, yet.
	ReasonPending = "Pending"
	// ReasonNoWorkloads: nothing is selected, so there is nobody to tell.
	ReasonNoWorkloads = "NoWorkloads"
	// ReasonNotEnforced: no selected pod can enforce the policy.
	ReasonNotEnforced = "NotEnforced"
	// ReasonNotAccepted: what cannot be compiled is not programmed.
	ReasonNotAccepted = "NotAccepted"
)
