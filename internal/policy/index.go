package policy

import (
	"net/netip"
	"reflect"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Index is the compiled view of all objects. It is safe for concurrent use; it never changes or keeps a pointer into an
// object it is given.
type Index struct {
	mu    sync.RWMutex
	state *state
}

// NewIndex returns an empty index.
func NewIndex(s Settings) *Index { return &Index{state: newState(s)} }

// Change says what a single object change may have altered, so that callers redo only that. Its lists are in no particular
// order. An object set again unchanged alters nothing.
type Change struct {
	// Policies whose findings or selected workloads may differ now.
	Policies []proxyconfig.ObjectRef
	// Workloads whose configuration, client default or findings may differ now, or who may be answered differently about
	// any address, because they as clients have changed. Nil with AllWorkloads.
	Workloads []types.NamespacedName
	// AllWorkloads: the change concerns every workload (a mesh-wide policy), which are not listed one by one.
	AllWorkloads bool

	// What Lookup answers may differ now for an answer that named one of Services, for one of Addresses whatever the answer
	// said, and with AllDestinations for every address. A Service stands for what is behind it: its slices, and its pods.
	Services        []types.NamespacedName
	Addresses       []netip.Addr
	AllDestinations bool
}

// SetSettings replaces the settings (a TrustDomain's aliases changed). Everything is compiled again.
func (ix *Index) SetSettings(s Settings) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if reflect.DeepEqual(s, ix.state.settings) {
		return Change{}
	}
	ix.state = ix.state.rebuilt(s)
	return Change{Policies: ix.state.allPolicies(), AllWorkloads: true, AllDestinations: true}
}

// SetPeerAuthentication adds or replaces the object. The other Set methods do the same for their kinds.
func (ix *Index) SetPeerAuthentication(o *v1alpha1.PeerAuthentication) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	own := &v1alpha1.PeerAuthentication{ObjectMeta: sourceMeta(&o.ObjectMeta), Spec: *o.Spec.DeepCopy()}
	old := ix.state.peers[nameOf(&own.ObjectMeta)]
	if old != nil && reflect.DeepEqual(old.source, own) {
		return Change{}
	}
	return ix.state.replacePeerAuthentication(old, newPeerAuthentication(own, ix.state.settings))
}

// SetDestinationRule adds or replaces the object.
func (ix *Index) SetDestinationRule(o *v1alpha1.DestinationRule) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	own := &v1alpha1.DestinationRule{ObjectMeta: sourceMeta(&o.ObjectMeta), Spec: *o.Spec.DeepCopy()}
	old := ix.state.rules[nameOf(&own.ObjectMeta)]
	if old != nil && reflect.DeepEqual(old.source, own) {
		return Change{}
	}
	return ix.state.replaceDestinationRule(old, newDestinationRule(own, ix.state.settings))
}

// SetAuthorizationPolicy adds or replaces the object.
func (ix *Index) SetAuthorizationPolicy(o *v1alpha1.AuthorizationPolicy) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	own := &v1alpha1.AuthorizationPolicy{ObjectMeta: sourceMeta(&o.ObjectMeta), Spec: *o.Spec.DeepCopy()}
	old := ix.state.authzs[nameOf(&own.ObjectMeta)]
	if old != nil && reflect.DeepEqual(old.source, own) {
		return Change{}
	}
	return ix.state.replaceAuthorizationPolicy(old, newAuthorizationPolicy(own, ix.state.settings))
}

// SetNamespace adds or replaces the object.
func (ix *Index) SetNamespace(o Namespace) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	o = o.clone()
	return ix.state.replaceNamespace(o.Name, &o)
}

// SetNode adds or replaces the object.
func (ix *Index) SetNode(o Node) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.state.replaceNode(o.Name, &o)
}

// SetWorkload adds or replaces a pod. There are many, so the index keeps what the Workload points to: do not change it
// afterwards.
func (ix *Index) SetWorkload(o Workload) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	w := &workload{o}
	return ix.state.replaceWorkload(ix.state.workload(w.name()), w)
}

// SetService adds or replaces the object.
func (ix *Index) SetService(o Service) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	svc := newService(o, ix.state.settings.ClusterDomain)
	return ix.state.replaceService(ix.state.service(svc.name()), svc)
}

// SetEndpointSlice adds or replaces the object.
func (ix *Index) SetEndpointSlice(o EndpointSlice) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	return ix.state.replaceSlice(types.NamespacedName{Namespace: o.Namespace, Name: o.Name}, &slice{o.clone()})
}

// The kinds that are not Warifu's own, as Delete takes them.
const (
	KindNamespace     = "Namespace"
	KindNode          = "Node"
	KindPod           = "Pod"
	KindService       = "Service"
	KindEndpointSlice = "EndpointSlice"
)

// Delete removes an object by kind: a v1alpha1.Kind* constant, or KindNamespace, KindNode, KindPod, KindService,
// KindEndpointSlice. What is not there is no change.
func (ix *Index) Delete(kind string, name types.NamespacedName) Change {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	s := ix.state
	switch kind {
	case v1alpha1.KindPeerAuthentication:
		return s.replacePeerAuthentication(s.peers[name], nil)
	case v1alpha1.KindDestinationRule:
		return s.replaceDestinationRule(s.rules[name], nil)
	case v1alpha1.KindAuthorizationPolicy:
		return s.replaceAuthorizationPolicy(s.authzs[name], nil)
	case KindNamespace:
		return s.replaceNamespace(name.Name, nil)
	case KindNode:
		return s.replaceNode(name.Name, nil)
	case KindPod:
		return s.replaceWorkload(s.workload(name), nil)
	case KindService:
		return s.replaceService(s.service(name), nil)
	case KindEndpointSlice:
		return s.replaceSlice(name, nil)
	default:
		return Change{}
	}
}

// Workload returns what the index knows of a pod.
func (ix *Index) Workload(name types.NamespacedName) (Workload, bool) {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	if w := ix.state.workload(name); w != nil {
		return w.Workload.clone(), true
	}
	return Workload{}, false
}
