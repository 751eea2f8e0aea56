package policy

import "github.com/warifu/warifu/api/v1alpha1"

// CheckPeerAuthentication, CheckDestinationRule and CheckAuthorizationPolicy are what one object says about itself: findings
// that need no other object, so that admission never depends on the order in which a folder is applied.
func CheckPeerAuthentication(o *v1alpha1.PeerAuthentication, s Settings) []Finding { panic("surface") }
func CheckDestinationRule(o *v1alpha1.DestinationRule, s Settings) []Finding       { panic("surface") }
func CheckAuthorizationPolicy(o *v1alpha1.AuthorizationPolicy, s Settings) []Finding {
	panic("surface")
}
