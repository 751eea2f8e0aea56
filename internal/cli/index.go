package cli

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/cli/explain"
	"github.com/warifu/warifu/internal/cli/manifest"
	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/pki"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// compile builds the index from everything that was gathered, and reports what the index does not: trust domains, and the
// pods that admission would refuse, or passed over.
func compile(set *manifest.Set, settings policy.Settings) (*policy.Index, []policy.Finding) {
	var findings []policy.Finding
	ix := policy.NewIndex(settings)
	namespaces := map[string]*corev1.Namespace{}
	for _, o := range set.Namespaces {
		namespaces[o.Name] = o
		ix.SetNamespace(policy.NamespaceOf(o))
	}
	for _, o := range set.TrustDomains {
		findings = append(findings, policy.CheckTrustDomain(o, settings, policy.ShortestLifetime)...)
		if _, err := pki.ParseRoots([]byte(o.Spec.AdditionalRoots), time.Now()); err != nil {
			findings = append(findings, policy.Finding{
				Object:   proxyconfig.ObjectRef{Kind: v1alpha1.KindTrustDomain, Name: o.Name},
				Severity: policy.SeverityError, Field: "spec.additionalRoots", Reason: policy.ReasonInvalid, Message: err.Error(),
			})
		}
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
	for _, o := range set.Nodes {
		ix.SetNode(policy.NodeOf(o))
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
		namespace := namespaces[o.Namespace]
		if namespace == nil {
			namespace = &corev1.Namespace{}
			namespace.Name = o.Namespace
		}
		w := policy.WorkloadOf(o)
		if o.UID != "" || w.Proxied {
			findings = append(findings, uninjected(o, namespace, settings)...)
		} else {
			findings = append(findings, admit(&w, o, namespace, settings)...)
		}
		ix.SetWorkload(w)
	}
	return ix, findings
}

// uninjected finds that a pod which exists lacks what it was to be given. Which data plane the operator chooses by default no
// object says: it is taken to be the one that the pod has.
func uninjected(pod *corev1.Pod, namespace *corev1.Namespace, settings policy.Settings) []policy.Finding {
	w := policy.WorkloadOf(pod)
	dataPlane := naming.DataPlaneNone
	if w.Proxied {
		dataPlane = naming.DataPlaneSidecar
	}
	lack := inject.Missing(inject.Input{Pod: pod, Namespace: namespace, Settings: injectSettings(settings, dataPlane, w)})
	if lack == nil || w.Finished || pod.UID == "" {
		return nil
	}
	return []policy.Finding{{
		Object: policy.PodRef(types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}), Severity: policy.SeverityWarning,
		Reason: policy.Reason(lack.Reason), Message: lack.Message + "; restart it",
	}}
}

// admit makes of a manifest's workload what admission would make of the pod, with data plane sidecar unless labelled
// otherwise, or says why it would refuse it.
func admit(w *policy.Workload, pod *corev1.Pod, namespace *corev1.Namespace, settings policy.Settings) []policy.Finding {
	outcome := inject.Decide(inject.Input{
		Pod: pod, Namespace: namespace, Settings: injectSettings(settings, naming.DataPlaneSidecar, *w),
		Mode: proxyconfig.Permissive, ClientMode: proxyconfig.ClientIstioMutual,
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
	if outcome.Refusal == nil {
		return nil
	}
	return []policy.Finding{{
		Object: policy.PodRef(types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}), Severity: policy.SeverityWarning,
		Field: outcome.Refusal.Field, Reason: policy.Reason(outcome.Refusal.Reason),
		Message: "admission would refuse this pod with data plane sidecar: " + outcome.Refusal.Message,
	}}
}

// injectSettings are the operator's as far as they can be known. Which ports may be excluded, and the proxy's image, are its
// settings, which no manifest shows: the pod is believed, and there is an image.
func injectSettings(settings policy.Settings, dataPlane string, w policy.Workload) inject.Settings {
	return inject.Settings{
		RootNamespace: settings.RootNamespace, TrustDomain: settings.TrustDomain, DefaultDataPlane: dataPlane,
		ExcludableInboundPorts: w.ExcludedInboundPorts, ProxyImage: naming.ContainerProxy,
	}
}

// View is what explanations ask about everything that was gathered, with the settings that no object carries. The findings are
// those that the view's index does not have.
func View(set *manifest.Set, settings policy.Settings) (*explain.View, []policy.Finding) {
	index, findings := compile(set, settings)
	return view(set, index), findings
}

// view is what the explanation asks.
func view(set *manifest.Set, index *policy.Index) *explain.View {
	v := &explain.View{Index: index, Volumes: map[types.NamespacedName][]string{}, Outbound: map[types.NamespacedName]inject.Exclusions{}}
	for _, o := range set.Services {
		v.Services = append(v.Services, policy.ServiceOf(o))
	}
	for _, o := range set.Pods {
		name := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
		// Where the annotations cannot be read, admission refuses the pod, and it is not proxied.
		if excluded, _ := inject.ExclusionsOf(o.Annotations); len(excluded.OutboundPorts)+len(excluded.OutboundCIDRs) > 0 {
			v.Outbound[name] = excluded
		}
		if volumes, _ := inject.ProxyVolumesOf(o); len(volumes) > 0 {
			v.Volumes[name] = volumes
		}
	}
	return v
}
