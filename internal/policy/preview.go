package policy

import (
	"github.com/warifu/warifu/api/v1alpha1"
)

// PreviewPeerAuthentication, PreviewDestinationRule and PreviewAuthorizationPolicy are the findings that an object would have
// if it were set now: what admission tells its author. Nobody sees the index meanwhile, and afterwards it is as before.
func (ix *Index) PreviewPeerAuthentication(o *v1alpha1.PeerAuthentication) []Finding {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	own := &v1alpha1.PeerAuthentication{ObjectMeta: sourceMeta(&o.ObjectMeta), Spec: *o.Spec.DeepCopy()}
	old, now := ix.state.peers[nameOf(&own.ObjectMeta)], newPeerAuthentication(own, ix.state.settings)
	ix.state.replacePeerAuthentication(old, now)
	defer ix.state.replacePeerAuthentication(now, old)
	return ix.state.findings(now.ref)
}

// PreviewDestinationRule: see PreviewPeerAuthentication.
func (ix *Index) PreviewDestinationRule(o *v1alpha1.DestinationRule) []Finding {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	own := &v1alpha1.DestinationRule{ObjectMeta: sourceMeta(&o.ObjectMeta), Spec: *o.Spec.DeepCopy()}
	old, now := ix.state.rules[nameOf(&own.ObjectMeta)], newDestinationRule(own, ix.state.settings)
	ix.state.replaceDestinationRule(old, now)
	defer ix.state.replaceDestinationRule(now, old)
	return ix.state.findings(now.ref)
}

// PreviewAuthorizationPolicy: see PreviewPeerAuthentication.
func (ix *Index) PreviewAuthorizationPolicy(o *v1alpha1.AuthorizationPolicy) []Finding {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	own := &v1alpha1.AuthorizationPolicy{ObjectMeta: sourceMeta(&o.ObjectMeta), Spec: *o.Spec.DeepCopy()}
	old, now := ix.state.authzs[nameOf(&own.ObjectMeta)], newAuthorizationPolicy(own, ix.state.settings)
	ix.state.replaceAuthorizationPolicy(old, now)
	defer ix.state.replaceAuthorizationPolicy(now, old)
	return ix.state.findings(now.ref)
}
