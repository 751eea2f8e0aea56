package policy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The replace methods swap one record for another (either may be nil, for an addition or a removal), keep every table
// current, and say what may differ. They are the only writers of the state.

func nameOf(o *metav1.ObjectMeta) types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}

func (s *state) replacePeerAuthentication(old, now *peerAuthentication) Change {
	var e effect
	for _, p := range []*peerAuthentication{old, now} {
		if p == nil {
			continue
		}
		e.policy(&p.header)
		if !p.inForce(s.settings.RootNamespace) {
			continue
		}
		e.scope(p.ref.Namespace, p.selector)
		s.rivalsOf(p, &e)
		e.destinations = true
	}
	if old != nil {
		ns := s.namespace(old.ref.Namespace)
		if old.inForce(s.settings.RootNamespace) {
			ns.peer.remove(old)
		}
		delete(s.peers, old.name())
		s.release(ns)
	}
	if now != nil {
		s.peers[now.name()] = now
		if now.inForce(s.settings.RootNamespace) {
			s.namespace(now.ref.Namespace).peer.add(now)
		}
	}
	return e.change(s)
}

func (s *state) replaceAuthorizationPolicy(old, now *authorizationPolicy) Change {
	var e effect
	for _, p := range []*authorizationPolicy{old, now} {
		if p == nil {
			continue
		}
		e.policy(&p.header)
		e.scope(p.ref.Namespace, p.selector)
		s.deniedWith(p, &e)
	}
	if old != nil {
		ns := s.namespace(old.ref.Namespace)
		ns.authz.remove(old)
		s.forgetMentions(&old.header)
		delete(s.authzs, old.name())
		s.release(ns)
	}
	if now != nil {
		s.authzs[now.name()] = now
		s.namespace(now.ref.Namespace).authz.add(now)
		s.noteMentions(&now.header)
	}
	return e.change(s)
}

func (s *state) replaceDestinationRule(old, now *destinationRule) Change {
	var e effect
	for _, r := range []*destinationRule{old, now} {
		if r == nil {
			continue
		}
		e.policy(&r.header)
		if r.broken != "" {
			continue
		}
		s.neighboursOf(r, &e)
		e.destinations = true
		if coversEveryService(r.host, s.settings.ClusterDomain) {
			s.clientsOf(r, &e)
		}
	}
	if old != nil {
		ns := s.namespace(old.ref.Namespace)
		if old.broken == "" {
			ns.rules.remove(old)
			s.withdraw(old)
		}
		s.forgetMentions(&old.header)
		delete(s.rules, old.name())
		s.release(ns)
	}
	if now != nil {
		s.rules[now.name()] = now
		s.noteMentions(&now.header)
		if now.broken == "" {
			s.namespace(now.ref.Namespace).rules.add(now)
			s.export(now)
		}
	}
	return e.change(s)
}

func (s *state) noteMentions(h *header) {
	for _, m := range h.mentions {
		addTo(s.mentions, m.namespace, h.ref)
	}
}

func (s *state) forgetMentions(h *header) {
	for _, m := range h.mentions {
		removeAt(s.mentions, m.namespace, h.ref)
	}
}

// rebuilt is the same objects under other settings.
func (s *state) rebuilt(settings Settings) *state {
	out := newState(settings)
	out.zones = s.zones
	for _, ns := range s.namespaces {
		if ns.object != nil {
			out.replaceNamespace(ns.name, ns.object)
		}
		for _, table := range []map[string]*workload{ns.workloads, ns.finished} {
			for _, w := range table {
				out.replaceWorkload(nil, w)
			}
		}
		for _, svc := range ns.services {
			out.replaceService(nil, newService(svc.Service, settings.ClusterDomain))
		}
		for name, list := range ns.slices {
			out.replaceSlice(types.NamespacedName{Namespace: ns.name, Name: name}, list)
		}
	}
	for _, p := range s.peers {
		out.replacePeerAuthentication(nil, newPeerAuthentication(p.source, settings))
	}
	for _, r := range s.rules {
		out.replaceDestinationRule(nil, newDestinationRule(r.source, settings))
	}
	for _, p := range s.authzs {
		out.replaceAuthorizationPolicy(nil, newAuthorizationPolicy(p.source, settings))
	}
	return out
}
