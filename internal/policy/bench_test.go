package policy

import (
	"fmt"
	"net/netip"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// cluster is pods in namespaces of a hundred, four pods to a Service, and policies of every kind spread over them: of ten,
// one is mesh-wide or for a namespace, the others have selectors.
type cluster struct {
	ix      *Index
	clients []types.NamespacedName
}

var benchSettings = Settings{RootNamespace: "warifu-system", TrustDomain: "cluster.local", Aliases: []string{"old.local"}, ClusterDomain: "cluster.local"}

func newCluster(pods, policies int) *cluster {
	c := &cluster{ix: NewIndex(benchSettings)}
	namespaces := (pods + 99) / 100
	for i := range namespaces {
		c.ix.SetNamespace(Namespace{Name: namespaceName(i)})
	}
	for i := range pods {
		w := benchPod(i)
		c.ix.SetWorkload(w)
		c.clients = append(c.clients, types.NamespacedName{Namespace: w.Namespace, Name: w.Name})
		if i%4 == 0 {
			c.ix.SetService(benchService(i))
		}
	}
	c.ix.SetPeerAuthentication(benchPeerAuthentication("warifu-system", "mesh", nil))
	for i := range policies {
		namespace, app := namespaceName(i%namespaces), fmt.Sprintf("app-%d", i/namespaces%25)
		selector := &v1alpha1.WorkloadSelector{MatchLabels: map[string]v1alpha1.LabelValue{"app": v1alpha1.LabelValue(app), "env": "prod"}}
		name := fmt.Sprintf("policy-%d", i)
		switch {
		case i%10 == 0:
			c.ix.SetAuthorizationPolicy(benchAuthorizationPolicy(namespace, name, nil))
		case i%3 == 0:
			c.ix.SetPeerAuthentication(benchPeerAuthentication(namespace, name, selector))
		case i%3 == 1:
			c.ix.SetAuthorizationPolicy(benchAuthorizationPolicy(namespace, name, selector))
		default:
			c.ix.SetDestinationRule(benchDestinationRule(namespace, name, app))
		}
	}
	return c
}

func namespaceName(i int) string { return fmt.Sprintf("team-%d", i) }

func benchPod(i int) Workload {
	return Workload{
		Namespace: namespaceName(i / 100), Name: fmt.Sprintf("pod-%d", i), ServiceAccount: fmt.Sprintf("app-%d", i%100/4), Proxied: true,
		Labels: map[string]string{"app": fmt.Sprintf("app-%d", i%100/4), "env": "prod", "pod-template-hash": fmt.Sprint(i / 4), "team": "one"},
		IPs:    []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})},
		Ports:  []WorkloadPort{{Name: "http", Port: 8080, Protocol: TCP}},
	}
}

func benchService(i int) Service {
	return Service{
		Namespace: namespaceName(i / 100), Name: fmt.Sprintf("app-%d", i%100/4),
		Selector:   map[string]string{"app": fmt.Sprintf("app-%d", i%100/4)},
		ClusterIPs: []netip.Addr{netip.AddrFrom4([4]byte{172, byte(i >> 16), byte(i >> 8), byte(i)})},
		Ports:      []ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http"), Protocol: TCP}},
	}
}

func benchPeerAuthentication(namespace, name string, s *v1alpha1.WorkloadSelector) *v1alpha1.PeerAuthentication {
	o := &v1alpha1.PeerAuthentication{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	o.Spec.Selector, o.Spec.MTLS = s, &v1alpha1.MutualTLS{Mode: v1alpha1.MutualTLSStrict}
	if s != nil {
		o.Spec.PortLevelMTLS = map[string]v1alpha1.MutualTLS{"9090": {Mode: v1alpha1.MutualTLSPermissive}}
	}
	return o
}

func benchAuthorizationPolicy(namespace, name string, s *v1alpha1.WorkloadSelector) *v1alpha1.AuthorizationPolicy {
	o := &v1alpha1.AuthorizationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	o.Spec.Selector = s
	o.Spec.Rules = []v1alpha1.Rule{{
		From: []v1alpha1.From{{Source: &v1alpha1.Source{Principals: []string{"cluster.local/ns/" + namespace + "/sa/app-1"}}}},
		To:   []v1alpha1.To{{Operation: &v1alpha1.Operation{Methods: []string{"GET"}, Ports: []string{"8080"}}}},
	}}
	return o
}

func benchDestinationRule(namespace, name, host string) *v1alpha1.DestinationRule {
	o := &v1alpha1.DestinationRule{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	o.Spec.Host = host
	o.Spec.ExportTo = []string{"."}
	o.Spec.TrafficPolicy = &v1alpha1.TrafficPolicy{TLS: &v1alpha1.ClientTLSSettings{Mode: v1alpha1.ClientTLSIstioMutual}}
	return o
}

// BenchmarkCompile makes one workload's configuration. It must not depend on the size of the cluster: the number of policies
// that select the workload is the same in each.
func BenchmarkCompile(b *testing.B) {
	for _, size := range []struct{ pods, policies int }{{100, 10}, {1_000, 100}, {10_000, 1_000}} {
		b.Run(fmt.Sprintf("pods=%d/policies=%d", size.pods, size.policies), func(b *testing.B) {
			c := newCluster(size.pods, size.policies)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.ix.Compile(c.clients[i%len(c.clients)])
				i++
			}
		})
	}
	b.Run("pods=10000/policies=1000 in its namespace", func(b *testing.B) {
		c := newCluster(10_000, 0)
		for i := range 1_000 {
			c.ix.SetAuthorizationPolicy(benchAuthorizationPolicy("team-0", fmt.Sprintf("policy-%d", i), nil))
		}
		b.ReportAllocs()
		for b.Loop() {
			c.ix.Compile(c.clients[0])
		}
	})
}

// BenchmarkClient makes the TLS choice of one client for one destination.
func BenchmarkClient(b *testing.B) {
	c := newCluster(10_000, 1_000)
	client, _ := c.ix.Workload(c.clients[0])
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		to := c.clients[i%len(c.clients)]
		c.ix.Client(client, Destination{
			Service: types.NamespacedName{Namespace: to.Namespace, Name: "app-3"}, Port: 80, Workload: to, WorkloadPort: 8080,
		})
		i++
	}
}

// BenchmarkLookup answers one client about one Service, in a cluster in which other things stand too.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, 1_000} {
		b.Run(fmt.Sprintf("endpoints=%d", n), func(b *testing.B) {
			c := newCluster(2_000, 200)
			client, _ := c.ix.Workload(c.clients[0])
			list := EndpointSlice{Namespace: "team-0", Name: "large-1", Service: "large", Ports: []EndpointPort{{Name: "http", Port: 8080}}}
			for i := range n {
				w := benchPod(i)
				list.Endpoints = append(list.Endpoints, Endpoint{Address: w.IPs[0], Pod: c.clients[i], Ready: true, Serving: true})
			}
			c.ix.SetEndpointSlice(list)
			to := netip.MustParseAddrPort("172.31.0.1:80")
			c.ix.SetService(Service{Namespace: "team-0", Name: "large", ClusterIPs: []netip.Addr{to.Addr()}, Ports: []ServicePort{{Name: "http", Port: 80, Protocol: TCP}}})
			if got := len(c.ix.Lookup(client, to).Endpoints); got != n {
				b.Fatalf("%d endpoints", got)
			}
			b.ReportAllocs()
			for b.Loop() {
				c.ix.Lookup(client, to)
			}
		})
	}
}

// BenchmarkSet changes one object in a cluster of 10,000 pods and 1,000 policies. Every iteration is a real change.
func BenchmarkSet(b *testing.B) {
	selector := &v1alpha1.WorkloadSelector{MatchLabels: map[string]v1alpha1.LabelValue{"app": "app-3"}}
	modes := []v1alpha1.MutualTLSMode{v1alpha1.MutualTLSPermissive, v1alpha1.MutualTLSStrict}
	for _, kind := range []struct {
		name string
		set  func(ix *Index, i int) Change
	}{
		{"mesh-wide PeerAuthentication", func(ix *Index, i int) Change {
			o := benchPeerAuthentication("warifu-system", "mesh", nil)
			o.Spec.MTLS.Mode = modes[i%2]
			return ix.SetPeerAuthentication(o)
		}},
		{"namespace PeerAuthentication", func(ix *Index, i int) Change {
			o := benchPeerAuthentication("team-7", "default", nil)
			o.Spec.MTLS.Mode = modes[i%2]
			return ix.SetPeerAuthentication(o)
		}},
		{"workload PeerAuthentication", func(ix *Index, i int) Change {
			o := benchPeerAuthentication("team-7", "app", selector)
			o.Spec.MTLS.Mode = modes[i%2]
			return ix.SetPeerAuthentication(o)
		}},
		{"mesh-wide AuthorizationPolicy", func(ix *Index, i int) Change {
			o := benchAuthorizationPolicy("warifu-system", "mesh", nil)
			o.Spec.Rules = o.Spec.Rules[:i%2]
			return ix.SetAuthorizationPolicy(o)
		}},
		{"root AuthorizationPolicy with selector", func(ix *Index, i int) Change {
			o := benchAuthorizationPolicy("warifu-system", "app", selector)
			o.Spec.Rules = o.Spec.Rules[:i%2]
			return ix.SetAuthorizationPolicy(o)
		}},
		{"mesh-wide DestinationRule", func(ix *Index, i int) Change {
			o := benchDestinationRule("warifu-system", "mesh", "*")
			o.Spec.TrafficPolicy.TLS.Mode = []v1alpha1.ClientTLSMode{v1alpha1.ClientTLSDisable, v1alpha1.ClientTLSIstioMutual}[i%2]
			return ix.SetDestinationRule(o)
		}},
		{"pod labels", func(ix *Index, i int) Change {
			w := benchPod(777)
			w.Labels["version"] = fmt.Sprint(i % 2)
			return ix.SetWorkload(w)
		}},
		{"pod added and removed", func(ix *Index, i int) Change {
			w := benchPod(99_999)
			if i%2 == 0 {
				return ix.SetWorkload(w)
			}
			return ix.Delete(KindPod, types.NamespacedName{Namespace: w.Namespace, Name: w.Name})
		}},
		{"Service", func(ix *Index, i int) Change {
			svc := benchService(400)
			svc.Ports[0].Name = []string{"http", "db"}[i%2]
			return ix.SetService(svc)
		}},
		{"EndpointSlice", func(ix *Index, i int) Change {
			list := EndpointSlice{Namespace: "team-4", Name: "app-0-1", Service: "app-0", Ports: []EndpointPort{{Name: "http", Port: 8080}}}
			for j := range 100 {
				list.Endpoints = append(list.Endpoints, Endpoint{Address: benchPod(400 + j).IPs[0], Pod: types.NamespacedName{Namespace: "team-4", Name: fmt.Sprintf("pod-%d", 400+j)}, Ready: i%2 == 0})
			}
			return ix.SetEndpointSlice(list)
		}},
		{"Namespace", func(ix *Index, i int) Change {
			if i%2 == 0 {
				return ix.SetNamespace(Namespace{Name: "new"})
			}
			return ix.Delete(KindNamespace, types.NamespacedName{Name: "new"})
		}},
		{"nothing (resync)", func(ix *Index, i int) Change {
			return ix.SetWorkload(benchPod(777))
		}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			c := newCluster(10_000, 1_000)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				kind.set(c.ix, i)
				i++
			}
		})
	}
	b.Run("namespace PeerAuthentication, all 10000 pods in it", func(b *testing.B) {
		ix := NewIndex(benchSettings)
		for i := range 10_000 {
			w := benchPod(i)
			w.Namespace = "team-7"
			ix.SetWorkload(w)
		}
		i := 0
		for b.Loop() {
			o := benchPeerAuthentication("team-7", "default", nil)
			o.Spec.MTLS.Mode = modes[i%2]
			ix.SetPeerAuthentication(o)
			i++
		}
	})
}

// BenchmarkFindings looks at one object after one pod has changed.
func BenchmarkFindings(b *testing.B) {
	for _, object := range []proxyconfig.ObjectRef{
		{Kind: v1alpha1.KindPeerAuthentication, Namespace: "warifu-system", Name: "mesh"},
		{Kind: v1alpha1.KindAuthorizationPolicy, Namespace: "team-1", Name: "policy-1"},
		{Kind: v1alpha1.KindDestinationRule, Namespace: "team-2", Name: "policy-2"},
	} {
		b.Run(object.String(), func(b *testing.B) {
			c := newCluster(10_000, 1_000)
			w := benchPod(777)
			i := 0
			for b.Loop() {
				w.Labels["version"] = fmt.Sprint(i % 2)
				c.ix.SetWorkload(w)
				c.ix.Findings(object)
				c.ix.Selected(object)
				i++
			}
		})
	}
}
