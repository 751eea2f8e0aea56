package manifest

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
)

// FromCluster lists what the compiler reads from a cluster.
func FromCluster(ctx context.Context, c client.Reader) (*Set, error) {
	var (
		namespaces corev1.NamespaceList
		pods       corev1.PodList
		services   corev1.ServiceList
		slices     discoveryv1.EndpointSliceList
		peers      v1alpha1.PeerAuthenticationList
		rules      v1alpha1.DestinationRuleList
		policies   v1alpha1.AuthorizationPolicyList
		domains    v1alpha1.TrustDomainList
	)
	for _, list := range []client.ObjectList{&namespaces, &pods, &services, &slices, &peers, &rules, &policies, &domains} {
		err := c.List(ctx, list)
		if meta.IsNoMatchError(err) {
			return nil, fmt.Errorf("the cluster does not know Warifu's kinds, install the chart first: %w", err)
		}
		if err != nil {
			return nil, fmt.Errorf("list %T: %w", list, err)
		}
	}
	nodes := metav1.PartialObjectMetadataList{}
	nodes.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NodeList"))
	// Not everybody may look at nodes. Without them nothing is known of zones, which only say who is nearer.
	if err := c.List(ctx, &nodes); err != nil && !apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	return &Set{
		PeerAuthentications:   pointers(peers.Items),
		DestinationRules:      pointers(rules.Items),
		AuthorizationPolicies: pointers(policies.Items),
		TrustDomains:          pointers(domains.Items),
		Namespaces:            pointers(namespaces.Items),
		Nodes:                 pointers(nodes.Items),
		Pods:                  pointers(pods.Items),
		Services:              pointers(services.Items),
		EndpointSlices:        pointers(slices.Items),
	}, nil
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
