package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// +kubebuilder:rbac:groups=warifu.dev,resources=peerauthentications;destinationrules;authorizationpolicies;trustdomains,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=namespaces;nodes;pods;services,verbs=get;list;watch
// +kubebuilder:rbac:groups=discovery.k8s.io,resources=endpointslices,verbs=get;list;watch

// IndexFeed keeps the index as current as the caches and tells listeners what each change may have altered. It runs on
// every replica: admission and, later, proxies ask each replica's own index.
type IndexFeed struct {
	index     *policy.Index
	settings  policy.Settings
	informers cache.Informers
	listeners []func(policy.Change)

	synced chan struct{} // closed once the caches' first lists are in the index

	history *history

	mu       sync.Mutex
	observed map[proxyconfig.ObjectRef]observed
	injected sets.Set[types.NamespacedName]
}

// observed is what the index knows of a policy.
type observed struct {
	generation int64
	// version is the resourceVersion at which something last changed that the compiler sees; a status is nothing of that.
	version uint64
}

// NewIndexFeed returns a feed that has not started. The settings are those that the index was made with; the TrustDomain of
// that name adds its aliases.
func NewIndexFeed(index *policy.Index, settings policy.Settings, informers cache.Informers) *IndexFeed {
	return &IndexFeed{
		index:     index,
		settings:  settings,
		informers: informers,
		synced:    make(chan struct{}),
		history:   newHistory(),
		observed:  map[proxyconfig.ObjectRef]observed{},
		injected:  sets.New[types.NamespacedName](),
	}
}

// Listen has a function called with every change, in order, after the index has taken it in. It is called from an informer:
// it must not block. Listen before Start; earlier listeners are called first.
func (f *IndexFeed) Listen(listener func(policy.Change)) {
	f.listeners = append(f.listeners, listener)
}

// NeedLeaderElection is false: every replica has an index.
func (f *IndexFeed) NeedLeaderElection() bool { return false }

// Start feeds the index until ctx ends.
func (f *IndexFeed) Start(ctx context.Context) error {
	kinds := []fedKind{
		fed(f, v1alpha1.KindTrustDomain, func(o *v1alpha1.TrustDomain) policy.Change { return f.setAliases(o.Name, o.Spec.Aliases) }),
		fed(f, v1alpha1.KindPeerAuthentication, f.index.SetPeerAuthentication),
		fed(f, v1alpha1.KindDestinationRule, f.index.SetDestinationRule),
		fed(f, v1alpha1.KindAuthorizationPolicy, f.index.SetAuthorizationPolicy),
		fed(f, "Namespace", func(o *corev1.Namespace) policy.Change { return f.index.SetNamespace(policy.NamespaceOf(o)) }),
		fed(f, "Pod", func(o *corev1.Pod) policy.Change { return f.index.SetWorkload(policy.WorkloadOf(o)) }),
		fed(f, "Service", func(o *corev1.Service) policy.Change { return f.index.SetService(policy.ServiceOf(o)) }),
		fed(f, "EndpointSlice", func(o *discoveryv1.EndpointSlice) policy.Change {
			return f.index.SetEndpointSlice(policy.EndpointSliceOf(o))
		}),
		f.nodes(),
	}
	var delivered []toolscache.InformerSynced
	for _, k := range kinds {
		informer, err := f.informers.GetInformer(ctx, k.object)
		if err != nil {
			return fmt.Errorf("watching %T: %w", k.object, err)
		}
		registration, err := informer.AddEventHandler(k.handler)
		if err != nil {
			return fmt.Errorf("watching %T: %w", k.object, err)
		}
		f.history.watch(k.kind, informer)
		delivered = append(delivered, registration.HasSynced)
	}
	if toolscache.WaitForCacheSync(ctx.Done(), delivered...) {
		close(f.synced)
	}
	<-ctx.Done()
	return nil
}

// Synced says whether everything that existed at the start is in the index.
func (f *IndexFeed) Synced() bool {
	select {
	case <-f.synced:
		return true
	default:
		return false
	}
}

// WaitForSync returns when Synced, or with ctx's error.
func (f *IndexFeed) WaitForSync(ctx context.Context) error {
	select {
	case <-f.synced:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the index: %w", ctx.Err())
	}
}

// Observed is the generation of a policy that the index has taken in; 0 when it knows no such object. The cache that a
// reconciler reads may be ahead of the index for a moment.
func (f *IndexFeed) Observed(object proxyconfig.ObjectRef) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.observed[object].generation
}

// Version is the resourceVersion of a policy at which what is compiled of it last changed; 0 when the index knows no such
// object. Whoever has reached it has the policy as it is.
func (f *IndexFeed) Version(object proxyconfig.ObjectRef) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.observed[object].version
}

// Injected are the pods in the index that carry mode files.
func (f *IndexFeed) Injected() sets.Set[types.NamespacedName] {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.injected.Clone()
}

// HasModes says whether a pod in the index carries mode files.
func (f *IndexFeed) HasModes(pod types.NamespacedName) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.injected.Has(pod)
}

// fedKind is one kind of object and what its events do.
type fedKind struct {
	kind    string
	object  client.Object
	handler toolscache.ResourceEventHandlerFuncs
}

// fed hands a kind's objects to the index one by one.
func fed[T any, P interface {
	*T
	client.Object
}](f *IndexFeed, kind string, set func(P) policy.Change) fedKind {
	upsert := func(o any, more int) {
		object := o.(P)
		change := set(object)
		f.observe(kind, object, &change)
		f.publish(change)
		f.history.note(kind, object, more)
	}
	size := indexObjects.WithLabelValues(kind)
	return fedKind{kind: kind, object: P(new(T)), handler: toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) {
			size.Inc()
			upsert(o, 1)
		},
		UpdateFunc: func(_, o any) { upsert(o, 0) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(toolscache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			size.Dec()
			name := client.ObjectKeyFromObject(o.(P))
			f.forget(kind, name)
			f.publish(f.remove(kind, name))
			f.history.note(kind, o.(P), -1)
		},
	}}
}

// nodes feeds the metadata of Nodes, whose status kubelet writes all the time.
func (f *IndexFeed) nodes() fedKind {
	kind := fed(f, policy.KindNode, func(o *metav1.PartialObjectMetadata) policy.Change { return f.index.SetNode(policy.NodeOf(o)) })
	kind.object.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(policy.KindNode))
	return kind
}

// remove takes an object out of the index; a TrustDomain is not in it, but its aliases are.
func (f *IndexFeed) remove(kind string, name types.NamespacedName) policy.Change {
	if kind == v1alpha1.KindTrustDomain {
		return f.setAliases(name.Name, nil)
	}
	return f.index.Delete(kind, name)
}

// setAliases gives the index the aliases of the trust domain that this operator serves. Other TrustDomains are not its own.
func (f *IndexFeed) setAliases(trustDomain string, aliases []string) policy.Change {
	if trustDomain != f.settings.TrustDomain {
		return policy.Change{}
	}
	settings := f.settings
	settings.Aliases = slices.Clone(aliases)
	return f.index.SetSettings(settings)
}

// observe records a policy's generation, and adds the policy to the change: its status speaks of a generation, so that it
// differs even where nothing else does.
func (f *IndexFeed) observe(kind string, object client.Object, change *policy.Change) {
	name := client.ObjectKeyFromObject(object)
	f.mu.Lock()
	defer f.mu.Unlock()
	if pod, ok := object.(*corev1.Pod); ok && hasModes(pod) {
		f.injected.Insert(name)
	}
	if _, ok := policyKinds[kind]; ok {
		now := observed{generation: object.GetGeneration(), version: f.observed[refOf(kind, name)].version}
		if len(change.Policies) > 0 {
			now.version = versionOf(object)
		}
		f.observed[refOf(kind, name)] = now
		change.Policies = append(change.Policies, refOf(kind, name))
	}
}

func (f *IndexFeed) forget(kind string, name types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.observed, refOf(kind, name))
	if kind == "Pod" {
		f.injected.Delete(name)
	}
}

func (f *IndexFeed) publish(change policy.Change) {
	for _, listener := range f.listeners {
		listener(change)
	}
}

func refOf(kind string, name types.NamespacedName) proxyconfig.ObjectRef {
	return proxyconfig.ObjectRef{Kind: kind, Namespace: name.Namespace, Name: name.Name}
}
