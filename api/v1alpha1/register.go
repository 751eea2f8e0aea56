package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds of this group, as they stand in `kind:`.
const (
	KindPeerAuthentication  = "PeerAuthentication"
	KindDestinationRule     = "DestinationRule"
	KindAuthorizationPolicy = "AuthorizationPolicy"
	KindTrustDomain         = "TrustDomain"
)

// GroupVersion is warifu.dev/v1alpha1.
var GroupVersion = schema.GroupVersion{Group: "warifu.dev", Version: "v1alpha1"}

var schemeBuilder = runtime.NewSchemeBuilder(func(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&PeerAuthentication{}, &PeerAuthenticationList{},
		&DestinationRule{}, &DestinationRuleList{},
		&AuthorizationPolicy{}, &AuthorizationPolicyList{},
		&TrustDomain{}, &TrustDomainList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
})

// AddToScheme registers the kinds.
var AddToScheme = schemeBuilder.AddToScheme
