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

// strangers are clients that no change touches.
var strangers = []Workload{
	{Namespace: "a", Name: "stranger", Labels: map[string]string{"app": "p", "env": "prod"}, Node: "n1"},
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
		if !asks || change.AllDestinations || change.AllWorkloads || slices.Contains(change.Workloads, q.client) ||
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
	if known != answer.Known {
		t.Errorf("%s: Lookup says known=%v, ResolveAddress %v", answer.Address, answer.Known, known)
	}
	for _, e := range answer.Endpoints {
		i := slices.IndexFunc(resolution.Backends, func(b Backend) bool {
			return b.Address == e.Address.Addr() && b.Port == e.Address.Port() && (e.Workload == "" || b.Workload.String() == e.Workload)
		})
		if i < 0 {
			t.Errorf("%s: endpoint %+v is not among %+v", answer.Address, e, resolution.Backends)
			continue
		}
		tls, ok := answer.ChoiceFor(e)
		if diff := cmp.Diff(ix.Client(client, resolution.Destination(resolution.Backends[i])), tls); !ok || diff != "" {
			t.Errorf("%s: endpoint %+v begins otherwise than Client says:\n%s", answer.Address, e, diff)
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
