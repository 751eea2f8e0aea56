package webhooks

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Paths that the webhook configurations call.
const (
	PathPods                  = "/mutate-pods"
	PathPeerAuthentications   = "/validate-peerauthentications"
	PathDestinationRules      = "/validate-destinationrules"
	PathAuthorizationPolicies = "/validate-authorizationpolicies"
	PathTrustDomains          = "/validate-trustdomains"
)

// Reader reads single objects.
type Reader interface {
	Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error
}

// Index is what admission asks of the policy index.
type Index interface {
	// CompileFor and ClientDefault give a new pod its modes.
	CompileFor(w policy.Workload) *proxyconfig.Config
	ClientDefault(w policy.Workload) proxyconfig.ClientTLS
	// The previews tell the author of an object how it will get on with what exists.
	PreviewPeerAuthentication(o *v1alpha1.PeerAuthentication) []policy.Finding
	PreviewDestinationRule(o *v1alpha1.DestinationRule) []policy.Finding
	PreviewAuthorizationPolicy(o *v1alpha1.AuthorizationPolicy) []policy.Finding
}

// Options of admission.
type Options struct {
	Index Index
	// Synced says whether the index knows what exists; until then pods wait, because they would be told wrong modes.
	Synced func() bool
	// Cached reads namespaces; Live is asked for one that the cache does not know yet.
	Cached, Live Reader
	// Recorder tells why pods are left alone.
	Recorder events.EventRecorder
	// Metrics is where warifu_injection_total goes.
	Metrics prometheus.Registerer

	Injection inject.Settings
	// Policy settings, of which aliases do not matter here.
	Policy policy.Settings
	// AllowShortLifetimes accepts TrustDomains whose certificates live less than ten minutes.
	AllowShortLifetimes bool
}

// Register serves admission on the server.
func Register(server webhook.Server, o Options) error {
	counter, err := newInjectionCounter(o.Metrics)
	if err != nil {
		return fmt.Errorf("registering the injection metric: %w", err)
	}
	handlers := map[string]admission.Handler{
		PathPods: &podInjector{options: o, counter: counter},
		PathPeerAuthentications: &validator[v1alpha1.PeerAuthentication, *v1alpha1.PeerAuthentication]{
			kind: v1alpha1.KindPeerAuthentication, check: o.peerAuthentication, preview: o.Index.PreviewPeerAuthentication,
		},
		PathDestinationRules: &validator[v1alpha1.DestinationRule, *v1alpha1.DestinationRule]{
			kind: v1alpha1.KindDestinationRule, check: o.destinationRule, preview: o.Index.PreviewDestinationRule,
		},
		PathAuthorizationPolicies: &validator[v1alpha1.AuthorizationPolicy, *v1alpha1.AuthorizationPolicy]{
			kind: v1alpha1.KindAuthorizationPolicy, check: o.authorizationPolicy, preview: o.Index.PreviewAuthorizationPolicy,
		},
		PathTrustDomains: &validator[v1alpha1.TrustDomain, *v1alpha1.TrustDomain]{
			kind: v1alpha1.KindTrustDomain, check: o.trustDomain, preview: o.trustDomain,
		},
	}
	limits := newLimits()
	for path, handler := range handlers {
		server.Register(path, limited{limits, &admission.Webhook{Handler: handler}})
	}
	return nil
}
