package cli

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/warifu/warifu/internal/cli/explain"
	"github.com/warifu/warifu/internal/cli/manifest"
	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// compile builds the index from everything that was gathered, and reports the pods that admission would refuse.
func compile(set *manifest.Set, settings policy.Settings) (*policy.Index, []policy.Finding) {
	var refused []policy.Finding
	ix := policy.NewIndex(settings)
	namespaces := map[string]*corev1.Namespace{}
	for _, o := range set.Namespaces {
		namespaces[o.Name] = o
		ix.SetNamespace(policy.NamespaceOf(o))
	}
	for _, o := range set.PeerAuthentications {
		ix.SetPeerAuthentication(o)
	}
	for _, o := range set.DestinationRules {
		ix.SetDestinationRule(o)
	}
	for _, o := range set.AuthorizationPolicies {
		ix.SetAuthorizationPolicy(o)
	}
	for _, o := range set.Services {
		ix.SetService(policy.ServiceOf(o))
	}
	for _, o := range set.EndpointSlices {
		// A Service whose pods have no addresses yet is asked about by its selector, as it is in a manifest.
		if len(o.Endpoints) > 0 {
			ix.SetEndpointSlice(policy.EndpointSliceOf(o))
		}
	}
	for _, o := range set.Pods {
		w, refusal := workload(o, namespaces[o.Namespace], settings)
		if refusal != nil {
			refused = append(refused, policy.Finding{
				Object:   proxyconfig.ObjectRef{Kind: "Pod", Namespace: o.Namespace, Name: o.Name},
				Severity: policy.SeverityWarning, Field: refusal.Field, Reason: policy.Reason(refusal.Reason),
				Message: "admission would refuse this pod with data plane sidecar: " + refusal.Message,
			})
		}
		ix.SetWorkload(w)
	}
	return ix, refused
}

// workload is what the compiler knows of a pod. One that has no uid is a manifest: it counts as what admission would make of
// it, with data plane sidecar unless labelled otherwise.
func workload(pod *corev1.Pod, namespace *corev1.Namespace, settings policy.Settings) (policy.Workload, *inject.Refusal) {
	w := policy.WorkloadOf(pod)
	if pod.UID != "" || w.Proxied {
		return w, nil
	}
	if namespace == nil {
		namespace = &corev1.Namespace{}
		namespace.Name = pod.Namespace
	}
	outcome := inject.Decide(inject.Input{
		Pod:       pod,
		Namespace: namespace,
		Settings: inject.Settings{
			RootNamespace: settings.RootNamespace, TrustDomain: settings.TrustDomain, DefaultDataPlane: naming.DataPlaneSidecar,
			// Which ports may be excluded is the operator's setting, which no manifest shows: believe the pod.
			ExcludableInboundPorts: w.ExcludedInboundPorts,
		},
		Mode:       proxyconfig.Permissive,
		ClientMode: proxyconfig.ClientIstioMutual,
	})
	w.Proxied, w.NotProxied = false, policy.NotProxiedNotInjected
	switch {
	case outcome.Plan != nil && outcome.Plan.DataPlane == naming.DataPlaneSidecar:
		w.Proxied, w.NotProxied = true, ""
	case outcome.Plan != nil:
		w.NotProxied = policy.NotProxiedNoDataPlane
	case outcome.Skip == inject.SkipHostNetwork:
		w.NotProxied = policy.NotProxiedHostNetwork
	case outcome.Skip == inject.SkipPodOptOut, outcome.Skip == inject.SkipNamespaceOptOut:
		w.NotProxied = policy.NotProxiedOptedOut
	}
	return w, outcome.Refusal
}

// view is what the explanation asks.
func view(set *manifest.Set, index *policy.Index) *explain.View {
	v := &explain.View{Index: index}
	for _, o := range set.Services {
		v.Services = append(v.Services, policy.ServiceOf(o))
	}
	return v
}
