// Package v1alpha1 holds Warifu's kinds: PeerAuthentication, DestinationRule and AuthorizationPolicy, modelled on Istio's,
// and TrustDomain. It has types, CEL rules and condition constants, and no logic.
//
// Fields that Istio has and Warifu does not support are declared all the same: an undeclared field would be dropped in
// silence, a declared one is refused with the reason and the way out.
//
// +kubebuilder:object:generate=true
// +groupName=warifu.dev
package v1alpha1
