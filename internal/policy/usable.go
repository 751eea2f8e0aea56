package policy

import (
	"net/netip"
	"slices"
)

// place is where a client runs. Either is empty where it is not known.
type place struct{ node, zone string }

func (s *state) placeOf(client *Workload) place { return place{client.Node, s.zones[client.Node]} }

// admits says whether a Service takes a client in at an address. loadBalancerSourceRanges are about the load balancer's
// addresses alone, and about those of the family that the ranges are of: kube-proxy drops what comes to them from elsewhere,
// also from pods.
func (s *service) admits(client *Workload, at netip.Addr) bool {
	if !slices.Contains(s.BalancerIPs, at) {
		return true
	}
	ranged := false
	for _, r := range s.SourceRanges {
		if r.Addr().Is4() != at.Is4() {
			continue
		}
		if slices.ContainsFunc(client.IPs, r.Contains) {
			return true
		}
		ranged = true
	}
	return !ranged
}

// usable are the endpoints of a target that a client may use now, by address. Who dials a pod's own address gets it, ready
// or not. internalTrafficPolicy is about cluster addresses alone: what a pod sends to an external address of a Service never
// leaves the cluster, and kube-proxy lets it go to any endpoint.
func (p place) usable(s *state, t target) []candidate {
	ip := t.dialled.Addr()
	if t.workload != nil {
		return []candidate{{t.dialled, &Endpoint{Address: ip, Pod: t.workload.name()}}}
	}
	if !t.served {
		return nil
	}
	all := s.candidates(t.service, t.port, ip.Is4())
	return p.choose(all, t.service.InternalLocal && slices.Contains(t.service.ClusterIPs, ip))
}

// choose does as kube-proxy does (CategorizeEndpoints in its topology.go): ready endpoints, those nearby where the hints say
// so, and when none is ready anywhere those that end and still serve. Local is internalTrafficPolicy: hints do not count.
func (p place) choose(all []candidate, local bool) []candidate {
	if local {
		all = keep(all, func(e *Endpoint) bool { return p.node != "" && e.Node == p.node })
	}
	ready := keep(all, func(e *Endpoint) bool { return e.Ready })
	switch {
	case len(ready) == 0:
		return keep(all, func(e *Endpoint) bool { return e.Serving && e.Terminating })
	case local:
		return ready
	default:
		return p.near(ready)
	}
}

// near follows hints about nodes, else about zones, else none: hints hold when every endpoint has one and one of them is
// for the client's place.
func (p place) near(ready []candidate) []candidate {
	for _, hints := range []struct {
		here string
		of   func(*Endpoint) []string
	}{
		{p.node, func(e *Endpoint) []string { return e.NodeHints }},
		{p.zone, func(e *Endpoint) []string { return e.ZoneHints }},
	} {
		unhinted := func(c candidate) bool { return len(hints.of(c.endpoint)) == 0 }
		if hints.here == "" || slices.ContainsFunc(ready, unhinted) {
			continue
		}
		if here := keep(ready, func(e *Endpoint) bool { return slices.Contains(hints.of(e), hints.here) }); len(here) > 0 {
			return here
		}
	}
	return ready
}

// keep is those of the candidates that are wanted: the same list where all are.
func keep(all []candidate, wanted func(*Endpoint) bool) []candidate {
	n := 0
	for _, c := range all {
		if wanted(c.endpoint) {
			n++
		}
	}
	if n == len(all) {
		return all
	}
	out := make([]candidate, 0, n)
	for _, c := range all {
		if wanted(c.endpoint) {
			out = append(out, c)
		}
	}
	return out
}
