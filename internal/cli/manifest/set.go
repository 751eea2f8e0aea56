package manifest

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Set is what was found, in the order of reading.
type Set struct {
	PeerAuthentications   []*v1alpha1.PeerAuthentication
	DestinationRules      []*v1alpha1.DestinationRule
	AuthorizationPolicies []*v1alpha1.AuthorizationPolicy
	TrustDomains          []*v1alpha1.TrustDomain
	Namespaces            []*corev1.Namespace
	Nodes                 []*metav1.PartialObjectMetadata
	Pods                  []*corev1.Pod
	Services              []*corev1.Service
	EndpointSlices        []*discoveryv1.EndpointSlice
	// Findings about documents that could not be used as they stand.
	Findings []policy.Finding

	// seen are the objects read so far.
	seen map[proxyconfig.ObjectRef]struct{}
}

// Aliases of a trust domain, as its TrustDomain object says.
func (s *Set) Aliases(trustDomain string) []string {
	for _, td := range s.TrustDomains {
		if td.Name == trustDomain {
			return td.Spec.Aliases
		}
	}
	return nil
}
