package policy

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// question is what a client may ask about an address.
type question struct {
	client types.NamespacedName
	to     netip.AddrPort
}

// strangers are clients that no change touches: the index does not know them, and hears nothing of their nodes.
var strangers = []Workload{
	{Namespace: "a", Name: "stranger", Labels: map[string]string{"app": "p", "env": "prod"}, Node: "n0", IPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, 1})}},
	{Namespace: "gone", Name: "stranger"},
}

// ask looks all addresses of the world up, for its pods and for strangers.
func (w *world) ask(t *testing.T, l *look) {
	t.Helper()
	clients := slices.Clone(strangers)
	for name := range l.Configs {
		client, _ := w.ix.Workload(name)
		clients = append(clients, client)
	}
	for _, client := range clients {
		name := types.NamespacedName{Namespace: client.Namespace, Name: client.Name}
		for i := range byte(6) {
			for _, net := range []byte{0, 1} {
				for _, port := range []uint16{80, 8080} {
					to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, net, 0, i}), port)
					answer := w.ix.Lookup(client, to)
					checkConsistent(t, w.ix, client, answer)
					l.Answers[question{name, to}] = answer
				}
			}
		}
	}
}

// checkAnswers demands that an answer that differs was announced to whoever remembers the one before.
func checkAnswers(t *testing.T, before, after look, change Change) {
	t.Helper()
	for q, old := range before.Answers {
		now, asks := after.Answers[q]
		if !asks || change.AllDestinations || slices.Contains(change.Workloads, q.client) ||
			slices.Contains(change.Addresses, q.to.Addr()) || slices.ContainsFunc(change.Services, func(s types.NamespacedName) bool { return s.String() == old.Service }) {
			continue
		}
		if diff := cmp.Diff(old, now, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
			t.Errorf("what %s is told about %s changed unannounced (%+v):\n%s", q.client, q.to, change, diff)
		}
	}
}

// checkConsistent demands that an answer makes sense in itself, and begins with each endpoint as Client says.
func checkConsistent(t *testing.T, ix *Index, client Workload, answer proxyconfig.Address) {
	t.Helper()
	resolution, known := ix.ResolveAddress(answer.Address)
	if !known { // it is its own endpoint, for a rule that names it
		resolution = Resolution{Host: answer.Address.Addr().String(), Port: answer.Address.Port(),
			Backends: []Backend{{Address: answer.Address.Addr(), Port: answer.Address.Port()}}}
		known = ix.Client(client, resolution.Destination(resolution.Backends[0])).DecidedBy != nil
	}
	if known != answer.Known {
		t.Errorf("%s: Lookup says known=%v, ResolveAddress %v", answer.Address, answer.Known, known)
	}
	for _, e := range answer.Endpoints {
		tls, ok := answer.ChoiceFor(e)
		asClient := func(b Backend) bool {
			w, _ := ix.Workload(b.Workload)
			named := b.Workload.String() == e.Workload || e.Workload == "" && (b.Workload.Name == "" || w.NotProxied == NotProxiedHostNetwork)
			return named && netip.AddrPortFrom(b.Address, b.Port) == e.Address && cmp.Equal(ix.Client(client, resolution.Destination(b)), tls)
		}
		if !ok || !slices.ContainsFunc(resolution.Backends, asClient) {
			t.Errorf("%s: endpoint %+v begins with %+v, which Client says of none of %+v", answer.Address, e, tls, resolution.Backends)
		}
	}
	for i := range answer.TLS {
		for j := range i {
			if cmp.Equal(answer.TLS[i], answer.TLS[j]) {
				t.Errorf("%s: the choice %+v is there twice", answer.Address, answer.TLS[i])
			}
		}
	}
}

// tweak is a copy of an object in which one thing differs that only lookups see; nil for kinds of which they see all.
func tweak(c *choices, object any) any {
	switch o := object.(type) {
	case Workload:
		o = o.clone()
		switch c.of(3) {
		case 0:
			o.Node = pick(c, "", "n1", "n2")
		case 1:
			o.IPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(c.of(6))})}
		default:
			o.ClientWaits = []proxyconfig.PortWait{{Port: 8080, Milliseconds: int32(c.of(3))}}
		}
		return o
	case Service:
		o = o.clone()
		switch c.of(3) {
		case 0:
			o.InternalLocal = !o.InternalLocal
		case 1:
			o.AffinitySeconds++
		default:
			o.BalancerIPs = o.ExternalIPs
			o.SourceRanges = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10}), pick(c, 8, 32))}
		}
		return o
	case EndpointSlice:
		o = o.clone()
		tweakEndpoint(c, &o.Endpoints[c.of(len(o.Endpoints))])
		return o
	default:
		return nil
	}
}

func tweakEndpoint(c *choices, e *Endpoint) {
	switch c.of(6) {
	case 0:
		e.Ready = !e.Ready
	case 1:
		e.Serving = !e.Serving
	case 2:
		e.Terminating = !e.Terminating
	case 3:
		e.Node = pick(c, "n1", "n2")
	case 4:
		e.ZoneHints = pick(c, nil, []string{"z1"}, []string{"z2"})
	default:
		e.NodeHints = pick(c, nil, []string{"n1"}, []string{"n2"})
	}
}
