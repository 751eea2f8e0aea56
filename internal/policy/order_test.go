package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// FuzzIndexOrder drives an index through sets and deletes of a small universe of objects, and demands that
//   - the result is the one of building from scratch, in another order;
//   - every change names all that it altered;
//   - no input is modified.
func FuzzIndexOrder(f *testing.F) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 60+20*seed)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4000 {
			return
		}
		c := &choices{data: data}
		w := newWorld()
		before := w.look(t)
		for c.more() {
			change := w.step(t, c)
			after := w.look(t)
			checkChange(t, before, after, change)
			before = after
			if t.Failed() {
				return
			}
		}
		if diff := cmp.Diff(w.fromScratch().look(t), before, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); diff != "" {
			t.Errorf("the index differs from one built from scratch (-scratch +changes):\n%s", diff)
		}
	})
}

// choices turns fuzz data into decisions; when it is used up, every decision is the first.
type choices struct{ data []byte }

func (c *choices) more() bool { return len(c.data) > 0 }

func (c *choices) of(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

func (c *choices) yes() bool { return c.of(2) == 1 }

func pick[T any](c *choices, from ...T) T { return from[c.of(len(from))] }

var worldSettings = []Settings{
	{RootNamespace: "root", TrustDomain: "td", ClusterDomain: "cluster.local"},
	{RootNamespace: "root", TrustDomain: "td", Aliases: []string{"old"}, ClusterDomain: "cluster.local"},
	{RootNamespace: "a", TrustDomain: "td", ClusterDomain: "corp.local"},
}

// world is an index and the objects that it should hold.
type world struct {
	ix       *Index
	settings Settings
	objects  map[string]any
}

func newWorld() *world {
	return &world{ix: NewIndex(worldSettings[0]), settings: worldSettings[0], objects: map[string]any{}}
}

func (w *world) step(t *testing.T, c *choices) Change {
	if c.of(40) == 39 {
		w.settings = pick(c, worldSettings...)
		return w.ix.SetSettings(w.settings)
	}
	name := types.NamespacedName{Namespace: pick(c, "root", "a", "b"), Name: pick(c, "x", "y", "z")}
	kind := pick(c, v1alpha1.KindPeerAuthentication, v1alpha1.KindDestinationRule, v1alpha1.KindAuthorizationPolicy,
		KindPod, KindPod, KindService, KindEndpointSlice, KindNamespace, KindNode)
	switch kind {
	case KindNamespace:
		name = types.NamespacedName{Name: name.Namespace}
	case KindNode:
		name = types.NamespacedName{Name: pick(c, "n1", "n2")}
	}
	key := kind + " " + name.String()
	if c.of(4) == 0 {
		delete(w.objects, key)
		return w.ix.Delete(kind, name)
	}
	if tweaked := tweak(c, w.objects[key]); tweaked != nil && c.yes() {
		w.objects[key] = tweaked
		return set(w.ix, tweaked)
	}
	twin := &choices{data: slices.Clone(c.data)}
	object := generate(c, kind, name)
	w.objects[key] = generate(twin, kind, name)
	change := set(w.ix, object)
	if diff := cmp.Diff(w.objects[key], object, sameAddr); diff != "" {
		t.Errorf("the index modified %s:\n%s", key, diff)
	}
	return change
}

// fromScratch is a world of the same objects, put in by name.
func (w *world) fromScratch() *world {
	out := &world{ix: NewIndex(w.settings), settings: w.settings, objects: w.objects}
	keys := sortedKeys(w.objects)
	slices.Reverse(keys)
	for _, key := range keys {
		set(out.ix, w.objects[key])
	}
	return out
}

func set(ix *Index, object any) Change {
	switch o := object.(type) {
	case *v1alpha1.PeerAuthentication:
		return ix.SetPeerAuthentication(o)
	case *v1alpha1.DestinationRule:
		return ix.SetDestinationRule(o)
	case *v1alpha1.AuthorizationPolicy:
		return ix.SetAuthorizationPolicy(o)
	case Workload:
		return ix.SetWorkload(o)
	case Service:
		return ix.SetService(o)
	case EndpointSlice:
		return ix.SetEndpointSlice(o)
	case Namespace:
		return ix.SetNamespace(o)
	case Node:
		return ix.SetNode(o)
	}
	panic(fmt.Sprintf("no Set for %T", object))
}

func generate(c *choices, kind string, name types.NamespacedName) any {
	meta := metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name,
		CreationTimestamp: metav1.NewTime(time.Unix(int64(c.of(3)), 0))}
	switch kind {
	case v1alpha1.KindPeerAuthentication:
		return generatePeerAuthentication(c, meta)
	case v1alpha1.KindDestinationRule:
		return generateDestinationRule(c, meta)
	case v1alpha1.KindAuthorizationPolicy:
		return generateAuthorizationPolicy(c, meta)
	case KindPod:
		w := Workload{Namespace: name.Namespace, Name: name.Name, Labels: map[string]string{"app": pick(c, "p", "q"), "env": pick(c, "prod", "dev")},
			ServiceAccount: pick(c, "", "sa"), Node: pick(c, "", "n1", "n2"), Proxied: c.of(3) > 0, Finished: c.of(8) == 7,
			IPs:   []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(c.of(6))})},
			Ports: []WorkloadPort{{Name: "web", Port: pick(c, uint16(80), 8080), Protocol: pick(c, TCP, UDP)}}}
		if !w.Proxied {
			w.NotProxied = pick(c, NotProxiedNotInjected, NotProxiedHostNetwork)
		}
		if c.yes() {
			w.ExcludedInboundPorts = []uint16{80}
			w.ClientWaits = []proxyconfig.PortWait{{Port: pick(c, uint16(80), 8080), Milliseconds: 250}}
		}
		return w
	case KindService:
		s := Service{Namespace: name.Namespace, Name: name.Name, Headless: c.yes(), ClusterIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 1, 0, byte(c.of(4))})},
			ExternalIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, pick(c, byte(0), 1), 0, byte(c.of(6))})}, InternalLocal: c.of(4) == 3, AffinitySeconds: int32(c.of(2)),
			Ports: []ServicePort{{Name: pick(c, "http", "db", "mysql"), Port: pick(c, uint16(80), 8080), TargetPort: pick(c, intstr.FromInt32(8080), intstr.FromString("web")), Protocol: TCP}}}
		if c.yes() {
			s.BalancerIPs = s.ExternalIPs
			s.SourceRanges = []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(c.of(6))}), pick(c, 8, 32))}
		}
		if c.of(4) > 0 {
			s.Selector = map[string]string{"app": pick(c, "p", "q")}
		}
		return s
	case KindEndpointSlice:
		return EndpointSlice{Namespace: name.Namespace, Name: name.Name, Service: pick(c, "x", "y"), Ports: []EndpointPort{{Name: pick(c, "http", "db"), Port: 8080}},
			Endpoints: []Endpoint{generateEndpoint(c, name.Namespace), generateEndpoint(c, name.Namespace)}}
	case KindNode:
		return Node{Name: name.Name, Zone: pick(c, "", "z1", "z2")}
	default:
		return Namespace{Name: name.Name, Labels: map[string]string{naming.LabelInjection: pick(c, "enabled", "disabled")}}
	}
}

func generateEndpoint(c *choices, namespace string) Endpoint {
	e := Endpoint{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(c.of(6))}), Ready: c.of(3) > 0, Serving: c.yes(), Terminating: c.yes(), Node: pick(c, "n1", "n2"),
		ZoneHints: pick(c, nil, []string{"z1"}, []string{"z2"}), NodeHints: pick(c, nil, nil, []string{"n1"})}
	if c.of(4) > 0 {
		e.Pod = types.NamespacedName{Namespace: namespace, Name: pick(c, "x", "y")}
	}
	return e
}

func generateSelector(c *choices) *v1alpha1.WorkloadSelector {
	switch c.of(4) {
	case 0:
		return nil
	case 1:
		return &v1alpha1.WorkloadSelector{MatchLabels: map[string]v1alpha1.LabelValue{"app": pick[v1alpha1.LabelValue](c, "p", "q")}}
	case 2:
		return &v1alpha1.WorkloadSelector{MatchLabels: map[string]v1alpha1.LabelValue{"env": pick[v1alpha1.LabelValue](c, "prod", "dev", "none")}}
	default:
		return &v1alpha1.WorkloadSelector{MatchLabels: map[string]v1alpha1.LabelValue{"app": "p", "env": "prod"}}
	}
}

func generatePeerAuthentication(c *choices, meta metav1.ObjectMeta) *v1alpha1.PeerAuthentication {
	mode := func() *v1alpha1.MutualTLS {
		return pick(c, nil, &v1alpha1.MutualTLS{Mode: "STRICT"}, &v1alpha1.MutualTLS{Mode: "DISABLE"}, &v1alpha1.MutualTLS{Mode: "UNSET"})
	}
	o := &v1alpha1.PeerAuthentication{ObjectMeta: meta}
	o.Spec.Selector = generateSelector(c)
	o.Spec.MTLS = mode()
	if c.of(3) == 0 {
		if m := mode(); m != nil {
			o.Spec.PortLevelMTLS = map[string]v1alpha1.MutualTLS{pick(c, "80", "8080", "70000"): *m}
		}
	}
	return o
}

func generateDestinationRule(c *choices, meta metav1.ObjectMeta) *v1alpha1.DestinationRule {
	settings := func() *v1alpha1.ClientTLSSettings {
		return pick(c, nil, &v1alpha1.ClientTLSSettings{Mode: "DISABLE"}, &v1alpha1.ClientTLSSettings{Mode: "SIMPLE"}, &v1alpha1.ClientTLSSettings{Mode: "ISTIO_MUTUAL"}, &v1alpha1.ClientTLSSettings{})
	}
	o := &v1alpha1.DestinationRule{ObjectMeta: meta}
	o.Spec.Host = pick(c, "x", "y", "*", "*.local", "*.a.svc.cluster.local", "x.b.svc.cluster.local", "10.0.0.1", "example.org", "*.svc.corp.local")
	o.Spec.ExportTo = pick(c, nil, []string{"."}, []string{"a"}, []string{"*"}, []string{"b", "root"}, []string{"gone"})
	if c.of(3) == 0 {
		o.Spec.WorkloadSelector = generateSelector(c)
	}
	if c.of(3) > 0 {
		o.Spec.TrafficPolicy = &v1alpha1.TrafficPolicy{TLS: settings()}
		if c.yes() {
			o.Spec.TrafficPolicy.PortLevelSettings = []v1alpha1.PortTrafficPolicy{{Port: &v1alpha1.PortSelector{Number: pick(c, uint32(80), 81)}, TLS: settings()}}
		}
	}
	return o
}

func generateAuthorizationPolicy(c *choices, meta metav1.ObjectMeta) *v1alpha1.AuthorizationPolicy {
	o := &v1alpha1.AuthorizationPolicy{ObjectMeta: meta}
	o.Annotations = pick(c, nil, nil, nil, map[string]string{naming.AnnotationDryRun: "true"})
	o.Spec.Selector = generateSelector(c)
	o.Spec.Action = pick[v1alpha1.AuthorizationAction](c, "", "DENY", "AUDIT", "CUSTOM")
	for range c.of(3) {
		var r v1alpha1.Rule
		if c.yes() {
			r.From = []v1alpha1.From{{Source: &v1alpha1.Source{
				Principals: pick(c, nil, []string{"td/ns/a/sa/b"}, []string{"cluster.local/ns/gone/sa/b"}),
				Namespaces: pick(c, nil, []string{"a"}, []string{"gone"}, []string{"spiffe://x"})}}}
		}
		if c.yes() {
			r.To = []v1alpha1.To{{Operation: &v1alpha1.Operation{Methods: pick(c, nil, []string{"GET"}), Ports: pick(c, nil, []string{"8080"}, []string{"80"})}}}
		}
		o.Spec.Rules = append(o.Spec.Rules, r)
	}
	return o
}

// look is everything that can be asked of the index.
type look struct {
	Findings  map[proxyconfig.ObjectRef][]Finding
	Selected  map[proxyconfig.ObjectRef][]types.NamespacedName
	Configs   map[types.NamespacedName]*proxyconfig.Config
	Pods      map[types.NamespacedName][]Finding
	Defaults  map[types.NamespacedName]proxyconfig.ClientTLS
	Clients   map[string]proxyconfig.ClientTLS
	Addresses map[string]Resolution
	Answers   map[question]proxyconfig.Address
	All       []Finding
}

func (w *world) look(t *testing.T) look {
	t.Helper()
	l := look{
		Findings: map[proxyconfig.ObjectRef][]Finding{}, Selected: map[proxyconfig.ObjectRef][]types.NamespacedName{},
		Configs: map[types.NamespacedName]*proxyconfig.Config{}, Pods: map[types.NamespacedName][]Finding{}, Defaults: map[types.NamespacedName]proxyconfig.ClientTLS{},
		Clients: map[string]proxyconfig.ClientTLS{}, Addresses: map[string]Resolution{}, Answers: map[question]proxyconfig.Address{}, All: w.ix.AllFindings(),
	}
	for _, object := range w.objects {
		if o, ok := object.(metav1.Object); ok {
			ref := proxyconfig.ObjectRef{Kind: kindOf(o), Namespace: o.GetNamespace(), Name: o.GetName()}
			l.Findings[ref] = w.ix.Findings(ref)
			l.Selected[ref] = w.ix.SelectedWorkloads(ref)
			if n, _ := w.ix.Selected(ref); n != len(l.Selected[ref]) {
				panic(fmt.Sprintf("%s: Selected says %d, SelectedWorkloads %d", ref, n, len(l.Selected[ref])))
			}
		}
		if o, ok := object.(Workload); ok && !o.Finished {
			w.lookAt(types.NamespacedName{Namespace: o.Namespace, Name: o.Name}, &l)
		}
	}
	w.ask(t, &l)
	for i := range byte(6) {
		for _, net := range []byte{0, 1} {
			ip := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, net, 0, i}), 80)
			if r, ok := w.ix.ResolveAddress(ip); ok {
				l.Addresses[ip.String()] = r
			}
		}
	}
	return l
}

func (w *world) lookAt(name types.NamespacedName, l *look) {
	client, _ := w.ix.Workload(name)
	l.Configs[name], _ = w.ix.Compile(name)
	l.Pods[name] = w.ix.Findings(PodRef(name))
	l.Defaults[name] = w.ix.ClientDefault(client)
	for _, to := range []Destination{
		{Service: types.NamespacedName{Namespace: "a", Name: "x"}, Port: 80, Workload: types.NamespacedName{Namespace: "a", Name: "x"}, WorkloadPort: 8080},
		{Service: types.NamespacedName{Namespace: "b", Name: "x"}, Port: 80, Workload: types.NamespacedName{Namespace: "b", Name: "y"}, WorkloadPort: 80},
		{Host: "10.0.0.1", Port: 80, Workload: types.NamespacedName{Namespace: "a", Name: "y"}, WorkloadPort: 80},
		{Host: "example.org", Port: 443},
	} {
		l.Clients[fmt.Sprint(name, to)] = w.ix.Client(client, to)
	}
}

func kindOf(o metav1.Object) string {
	switch o.(type) {
	case *v1alpha1.PeerAuthentication:
		return v1alpha1.KindPeerAuthentication
	case *v1alpha1.DestinationRule:
		return v1alpha1.KindDestinationRule
	default:
		return v1alpha1.KindAuthorizationPolicy
	}
}

// checkChange demands that what differs between two looks was announced.
func checkChange(t *testing.T, before, after look, change Change) {
	t.Helper()
	for ref := range union(before.Findings, after.Findings) {
		if slices.Contains(change.Policies, ref) {
			continue
		}
		if diff := cmp.Diff(before.Findings[ref], after.Findings[ref], cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the findings of %s changed unannounced:\n%s", ref, diff)
		}
		if !slices.Equal(before.Selected[ref], after.Selected[ref]) {
			t.Errorf("what %s selects changed unannounced from %v to %v", ref, before.Selected[ref], after.Selected[ref])
		}
	}
	checkAnswers(t, before, after, change)
	for name := range union(before.Configs, after.Configs) {
		if change.AllWorkloads || slices.Contains(change.Workloads, name) {
			continue
		}
		if diff := cmp.Diff(before.Configs[name], after.Configs[name]); diff != "" {
			t.Errorf("the configuration of %s changed unannounced:\n%s", name, diff)
		}
		if diff := cmp.Diff(before.Defaults[name], after.Defaults[name]); diff != "" {
			t.Errorf("the client default of %s changed unannounced:\n%s", name, diff)
		}
		if diff := cmp.Diff(before.Pods[name], after.Pods[name], cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("the findings of pod %s changed unannounced:\n%s", name, diff)
		}
	}
}

func union[K comparable, V any](a, b map[K]V) map[K]struct{} {
	out := map[K]struct{}{}
	for k := range a {
		out[k] = struct{}{}
	}
	for k := range b {
		out[k] = struct{}{}
	}
	return out
}
