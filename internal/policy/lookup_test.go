package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// serviceSpec is a Service shop/NAME with a spec.
func serviceSpec(name, spec string) string {
	return "{kind: Service, metadata: {namespace: shop, name: " + name + "}, spec: {" + spec + "}}"
}

// slicing is an EndpointSlice of Service shop/NAME: every port 8080 under a name, and endpoints in the API's words.
func slicing(service, slice, port string, list ...string) string {
	return "{kind: EndpointSlice, metadata: {namespace: shop, name: " + slice + ", labels: {kubernetes.io/service-name: " + service + "}}, addressType: IPv4, ports: [{name: " + port +
		", port: 8080}], endpoints: [" + strings.Join(list, ", ") + "]}"
}

func at(ip, pod, rest string) string {
	target := ""
	if pod != "" {
		target = ", targetRef: {kind: Pod, namespace: shop, name: " + pod + "}"
	}
	return "{addresses: ['" + ip + "']" + target + rest + "}"
}

// told is an answer in words: `unknown`, or the service, the affinity and each endpoint with how to begin.
func told(a proxyconfig.Address) string {
	if !a.Known {
		return "unknown"
	}
	words := []string{a.Service}
	if a.AffinitySeconds > 0 {
		words[0] += fmt.Sprintf("(%ds)", a.AffinitySeconds)
	}
	for _, e := range a.Endpoints {
		tls, ok := a.ChoiceFor(e)
		if !ok {
			return fmt.Sprintf("%v has no choice", e)
		}
		words = append(words, strings.TrimSpace(fmt.Sprintf("%s %s", e.Workload, e.Address))+" "+describeTLS(tls))
	}
	return strings.Join(words, "; ")
}

func TestLookup(t *testing.T) {
	t.Parallel()
	web := "clusterIP: 10.1.0.1, clusterIPs: [10.1.0.1, 'fd00:1::1'], externalIPs: [192.0.2.50], selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]"
	pods := []string{addressed(proxied("shop/web-0", "app=web"), "10.0.0.7, podIPs: [{ip: 10.0.0.7}, {ip: 'fd00::7'}]"), addressed(bare("shop/web-1", "app=web"), "10.0.0.8"), addressed(proxied("shop/x", "app=x"), "10.0.0.6")}
	v4 := slicing("web", "web-4", "http", at("10.0.0.8", "web-1", ""), at("10.0.0.7", "web-0", ""))
	v6 := slicing("web", "web-6", "http", at("fd00::7", "web-0", ""))
	with := func(more ...string) []string { return append(pods[:3:3], more...) }
	both := "shop/web; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL; shop/web-1 10.0.0.8:8080 auto DISABLE"
	for _, tc := range []struct {
		name    string
		objects []string
		to      string
		want    string
	}{
		{"nobody's", with(), "192.0.2.99:80", "unknown"},
		{"nobody's, and a rule names it", with(dr("shop/r", "{host: 192.0.2.99, "+tlsSimple+"}")), "192.0.2.99:443", "; 192.0.2.99:443 SIMPLE by shop/r"},
		{"nobody's, and a rule names another port", with(dr("shop/r", "{host: 192.0.2.99, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]}}")), "192.0.2.99:80", "unknown"},
		{"nobody's: a wildcard is about names", with(dr("shop/r", "{host: '*', "+tlsSimple+"}")), "192.0.2.99:443", "unknown"},
		{"by cluster address", with(serviceSpec("web", web), v4, v6), "10.1.0.1:80", both},
		{"by external address", with(serviceSpec("web", web), v4, v6), "192.0.2.50:80", both},
		{"by cluster address of the other family", with(serviceSpec("web", web), v4, v6), "[fd00:1::1]:80", "shop/web; shop/web-0 [fd00::7]:8080 auto ISTIO_MUTUAL"},
		{"in a coat of the other family", with(serviceSpec("web", web), v4, v6), "[::ffff:10.1.0.1]:80", both},
		{"without slices, in a manifest", with(serviceSpec("web", web)), "10.1.0.1:80", both},
		{"without slices, the other family", with(serviceSpec("web", web)), "[fd00:1::1]:80", "shop/web; shop/web-0 [fd00::7]:8080 auto ISTIO_MUTUAL"},
		{"cluster address, another port", with(serviceSpec("web", web), v4), "10.1.0.1:81", "shop/web"},
		{"cluster address, a UDP port", with(serviceSpec("web", web), v4), "10.1.0.1:53", "shop/web"},
		{"external address, another port: the node's own", with(serviceSpec("web", web), v4), "192.0.2.50:22", "unknown"},
		{"a slice that does not have the port", with(serviceSpec("web", web), slicing("web", "w", "other", at("10.0.0.7", "web-0", ""))), "10.1.0.1:80", "shop/web"},
		{"headless Services have no address", with(serviceSpec("web", "clusterIP: None, externalIPs: [192.0.2.50], ports: [{port: 80}]")), "192.0.2.50:80", "unknown"},
		{"a load balancer in between", with("{kind: Service, metadata: {namespace: shop, name: web}, spec: {ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.60, ipMode: Proxy}, {ip: 192.0.2.61, ipMode: VIP}]}}}"), "192.0.2.60:80", "unknown"},
		{"a load balancer's address", with("{kind: Service, metadata: {namespace: shop, name: web}, spec: {ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: 192.0.2.60, ipMode: Proxy}, {ip: 192.0.2.61, ipMode: VIP}]}}}"), "192.0.2.61:80", "shop/web"},

		{"a pod's own address", with(serviceSpec("web", web)), "10.0.0.7:8080", "; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL"},
		{"a pod's own address, any port", with(), "10.0.0.8:1", "; shop/web-1 10.0.0.8:1 auto DISABLE"},
		{"a pod's own address, through a headless Service", with(serviceSpec("db", "clusterIP: None, selector: {app: web}, ports: [{port: 5432, targetPort: 8080}], sessionAffinity: ClientIP"), dr("shop/r", "{host: db, "+tlsDisable+"}")),
			"10.0.0.7:8080", "shop/db; shop/web-0 10.0.0.7:8080 DISABLE by shop/r"},
		{"a pod that is not ready, dialled itself", with(serviceSpec("db", "clusterIP: None, selector: {app: web}, ports: [{port: 5432, name: http, targetPort: 8080}]"), slicing("db", "d", "http", at("10.0.0.7", "web-0", ", conditions: {ready: false}"))),
			"10.0.0.7:8080", "shop/db; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL"},

		{"a rule for the Service", with(serviceSpec("web", web), v4, dr("shop/r", "{host: web, "+tlsMutual+"}")), "10.1.0.1:80", "shop/web; shop/web-0 10.0.0.7:8080 ISTIO_MUTUAL by shop/r; shop/web-1 10.0.0.8:8080 ISTIO_MUTUAL by shop/r"},
		{"each endpoint by its own mode", with(serviceSpec("web", web), v4, addressed(proxied("shop/web-1", "app=web", "v=two"), "10.0.0.8"), pa("shop/p", "{selector: {matchLabels: {v: two}}, portLevelMtls: {8080: {mode: DISABLE}}}")), "10.1.0.1:80", both},
		{"affinity", with(serviceSpec("web", web+", sessionAffinity: ClientIP"), v6), "[fd00:1::1]:80", "shop/web(10800s); shop/web-0 [fd00::7]:8080 auto ISTIO_MUTUAL"},
		{"affinity for a time", with(serviceSpec("web", web+", sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}"), v6), "[fd00:1::1]:80", "shop/web(60s); shop/web-0 [fd00::7]:8080 auto ISTIO_MUTUAL"},

		{"host network: no workload to prove anything", []string{pod("shop/agent", "{hostNetwork: true, initContainers: [{name: warifu-proxy}], containers: [{name: app}]}", "app=web"), serviceSpec("web", web), slicing("web", "w", "http", at("192.0.2.1", "agent", ""))},
			"10.1.0.1:80", "shop/web; 192.0.2.1:8080 auto DISABLE"},
		{"a finished pod proves nothing", []string{"{kind: Pod, metadata: {namespace: shop, name: job, labels: {app: web}}, spec: {initContainers: [{name: warifu-proxy}]}, status: {phase: Succeeded}}", serviceSpec("web", web), slicing("web", "w", "http", at("10.0.0.9", "job", ""))},
			"10.1.0.1:80", "shop/web; 10.0.0.9:8080 auto DISABLE"},
		{"an address outside", with(serviceSpec("web", "clusterIP: 10.1.0.1, ports: [{name: http, port: 80}]"), slicing("web", "w", "http", at("203.0.113.9", "", ""))), "10.1.0.1:80", "shop/web; 203.0.113.9:8080 auto DISABLE"},
		{"whoever has the address, where none is named", with(serviceSpec("web", "clusterIP: 10.1.0.1, ports: [{name: http, port: 80}]"), slicing("web", "w", "http", at("10.0.0.7", "", ""))), "10.1.0.1:80", "shop/web; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL"},
		{"whoever has the address, where another is named", with(serviceSpec("web", "clusterIP: 10.1.0.1, ports: [{name: http, port: 80}]"), slicing("web", "w", "http", at("10.0.0.7", "web-1", ""))), "10.1.0.1:80", "shop/web; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL"},
		{"in two slices", with(serviceSpec("web", web), slicing("web", "a", "http", at("10.0.0.7", "web-0", ", conditions: {ready: false}")), slicing("web", "b", "http", at("10.0.0.7", "web-0", ""))), "10.1.0.1:80", "shop/web; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL"},
		{"an address that has gone from a pod to the next", with(addressed(bare("shop/new", "app=web"), "10.0.0.7"), serviceSpec("web", web), slicing("web", "a", "http", at("10.0.0.7", "web-0", ", conditions: {ready: true, terminating: true}"), at("10.0.0.7", "new", ""))),
			"10.1.0.1:80", "shop/web; shop/new 10.0.0.7:8080 auto DISABLE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ix := build(t, tc.objects...)
			client := Workload{Namespace: "shop", Name: "c", Proxied: true}
			got := ix.Lookup(client, netip.MustParseAddrPort(tc.to))
			if diff := cmp.Diff(tc.want, told(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if got.Address != netip.MustParseAddrPort(tc.to) {
				t.Errorf("the answer is about %s", got.Address)
			}
		})
	}
}

// TestLookupOwners: a Service that claims the address of another, or of a pod, takes nothing from them.
func TestLookupOwners(t *testing.T) {
	claim := func(ip string) string {
		return "{kind: Service, metadata: {namespace: a, name: a}, spec: {clusterIP: 10.1.0.9, externalIPs: [" + ip + "], ports: [{name: http, port: 80}, {name: x, port: 8080}]}}"
	}
	victim := serviceSpec("web", "clusterIP: 10.1.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]")
	pod := addressed(proxied("shop/web-0", "app=web"), "10.0.0.7")
	client := Workload{Namespace: "shop", Name: "c", Proxied: true}
	for _, tc := range []struct{ claimed, to, want string }{
		{"10.1.0.1", "10.1.0.1:80", "shop/web; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL"},
		{"10.1.0.1", "10.1.0.1:8080", "shop/web"},
		{"10.0.0.7", "10.0.0.7:8080", "; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL"},
		{"192.0.2.1", "192.0.2.1:80", "a/a"},
	} {
		if got := told(build(t, claim(tc.claimed), victim, pod).Lookup(client, netip.MustParseAddrPort(tc.to))); got != tc.want {
			t.Errorf("%s claimed, %s: got %q, want %q", tc.claimed, tc.to, got, tc.want)
		}
	}
}

// TestLookupSourceRanges: a load balancer's address is for those whom its Service takes in, in each family by itself.
func TestLookupSourceRanges(t *testing.T) {
	const spec = "clusterIP: 10.1.0.1, externalIPs: [192.0.2.50], selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]"
	service := func(ranges string) string {
		return "{kind: Service, metadata: {namespace: shop, name: web}, spec: {" + spec + ranges + "}, status: {loadBalancer: {ingress: [{ip: 192.0.2.60}, {ip: '2001:db8::60'}]}}}"
	}
	pod := addressed(proxied("shop/web-0", "app=web"), "10.0.0.7, podIPs: [{ip: 10.0.0.7}, {ip: 'fd00::7'}]")
	const four, six, shut = "shop/web; shop/web-0 10.0.0.7:8080 auto ISTIO_MUTUAL", "shop/web; shop/web-0 [fd00::7]:8080 auto ISTIO_MUTUAL", "shop/web"
	client := Workload{Namespace: "shop", Name: "c", Proxied: true, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("fd00::9")}}
	for _, tc := range []struct{ ranges, to, want string }{
		{"", "192.0.2.60:80", four},
		{", loadBalancerSourceRanges: [203.0.113.0/24]", "192.0.2.60:80", shut},
		{", loadBalancerSourceRanges: [203.0.113.0/24]", "[::ffff:192.0.2.60]:80", shut},
		{", loadBalancerSourceRanges: [203.0.113.0/24, 10.0.0.0/24]", "192.0.2.60:80", four},
		{", loadBalancerSourceRanges: [203.0.113.0/24]", "192.0.2.50:80", four},
		{", loadBalancerSourceRanges: [203.0.113.0/24]", "10.1.0.1:80", four},
		{", loadBalancerSourceRanges: [203.0.113.0/24]", "[2001:db8::60]:80", six},
		{", loadBalancerSourceRanges: ['fd01::/16']", "[2001:db8::60]:80", shut},
		{", loadBalancerSourceRanges: ['fd00::/16']", "[2001:db8::60]:80", six},
	} {
		if got := told(build(t, service(tc.ranges), pod).Lookup(client, netip.MustParseAddrPort(tc.to))); got != tc.want {
			t.Errorf("%s%s: got %q, want %q", tc.to, tc.ranges, got, tc.want)
		}
	}
}

// TestLookupPlace: what is near follows the client's node and its zone, and Local holds for cluster addresses alone.
func TestLookupPlace(t *testing.T) {
	spec := "clusterIP: 10.1.0.1, externalIPs: [192.0.2.50], ports: [{name: http, port: 80}]"
	slice := slicing("web", "w", "http", at("203.0.113.1", "", ", nodeName: n1, hints: {forZones: [{name: z1}]}"), at("203.0.113.2", "", ", nodeName: n2, hints: {forZones: [{name: z2}], forNodes: [{name: n2}]}"))
	lookup := func(ix *Index, node, to string) string {
		var out []string
		for _, e := range ix.Lookup(Workload{Namespace: "shop", Node: node}, netip.MustParseAddrPort(to)).Endpoints {
			out = append(out, e.Address.Addr().String())
		}
		return strings.Join(out, " ")
	}
	const one, two, both = "203.0.113.1", "203.0.113.2", "203.0.113.1 203.0.113.2"
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	ix := build(t, serviceSpec("web", spec), slice)
	check("no zone is known", lookup(ix, "n1", "10.1.0.1:80"), both)
	ix.SetNode(Node{Name: "n1", Zone: "z1"})
	check("the zone is known", lookup(ix, "n1", "10.1.0.1:80"), one)
	ix.SetSettings(benchSettings)
	check("under other settings", lookup(ix, "n1", "10.1.0.1:80"), one)
	ix.SetNode(Node{Name: "n1", Zone: "z2"})
	check("it is another", lookup(ix, "n1", "10.1.0.1:80"), two)
	check("of another node", lookup(ix, "n9", "10.1.0.1:80"), both)
	ix.Delete(KindNode, types.NamespacedName{Name: "n1"})
	check("the node is gone", lookup(ix, "n1", "10.1.0.1:80"), both)

	local := build(t, serviceSpec("web", spec+", internalTrafficPolicy: Local"), slice)
	check("local", lookup(local, "n1", "10.1.0.1:80"), one)
	check("local, from elsewhere", lookup(local, "n9", "10.1.0.1:80"), "")
	check("local, by an external address", lookup(local, "n9", "192.0.2.50:80"), both)
}

// TestLookupChange: a Service is named when it changes or what is behind it does, and an object set again unchanged names none.
func TestLookupChange(t *testing.T) {
	ix := build(t, addressed(proxied("shop/web-0", "app=web"), "10.0.0.7"))
	web := Service{Namespace: "shop", Name: "web", Selector: map[string]string{"app": "web"}, ClusterIPs: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}
	list := EndpointSlice{Namespace: "shop", Name: "web-1", Service: "web", Endpoints: []Endpoint{{Address: netip.MustParseAddr("10.0.0.7"), Ready: true}}}
	name := []types.NamespacedName{{Namespace: "shop", Name: "web"}}
	for _, step := range []struct {
		what      string
		change    Change
		services  []types.NamespacedName
		addresses int
	}{
		{"Service", ix.SetService(web), name, 1},
		{"Service again", ix.SetService(web), nil, 0},
		{"slice", ix.SetEndpointSlice(list), name, 0},
		{"slice again", ix.SetEndpointSlice(list), nil, 0},
		{"pod behind it", ix.SetWorkload(Workload{Namespace: "shop", Name: "web-0", Proxied: true, IPs: []netip.Addr{list.Endpoints[0].Address}}), name, 2},
		{"pod again", ix.SetWorkload(Workload{Namespace: "shop", Name: "web-0", Proxied: true, IPs: []netip.Addr{list.Endpoints[0].Address}}), nil, 0},
		{"another pod", ix.SetWorkload(Workload{Namespace: "shop", Name: "other"}), nil, 0},
		{"pod gone", ix.Delete(KindPod, types.NamespacedName{Namespace: "shop", Name: "web-0"}), name, 1},
		{"slice gone", ix.Delete(KindEndpointSlice, types.NamespacedName{Namespace: "shop", Name: "web-1"}), name, 0},
		{"slice gone again", ix.Delete(KindEndpointSlice, types.NamespacedName{Namespace: "shop", Name: "web-1"}), nil, 0},
		{"Service gone", ix.Delete(KindService, name[0]), name, 1},
	} {
		if !cmp.Equal(step.services, step.change.Services) || len(step.change.Addresses) != step.addresses || step.change.AllDestinations {
			t.Errorf("%s: got %+v", step.what, step.change)
		}
	}
	rule := decode[v1alpha1.DestinationRule](t, []byte(dr("shop/r", "{host: web, "+tlsDisable+"}")))
	if change := ix.SetDestinationRule(rule); !change.AllDestinations {
		t.Errorf("a rule: got %+v", change)
	}
	if change := ix.SetDestinationRule(rule); change.AllDestinations {
		t.Errorf("a rule again: got %+v", change)
	}
	if change := ix.SetAuthorizationPolicy(decode[v1alpha1.AuthorizationPolicy](t, []byte(ap("shop/a", "{}")))); change.AllDestinations {
		t.Errorf("a policy of servers alone: got %+v", change)
	}
}

// TestEndpointChange: whatever differs in an endpoint, its Service is named.
func TestEndpointChange(t *testing.T) {
	for what, edit := range map[string]func(*Endpoint){
		"address":     func(e *Endpoint) { e.Address = netip.MustParseAddr("10.0.0.8") },
		"pod":         func(e *Endpoint) { e.Pod.Name = "other" },
		"ready":       func(e *Endpoint) { e.Ready = true },
		"serving":     func(e *Endpoint) { e.Serving = true },
		"terminating": func(e *Endpoint) { e.Terminating = true },
		"node":        func(e *Endpoint) { e.Node = "n1" },
		"zones":       func(e *Endpoint) { e.ZoneHints = []string{"z1"} },
		"nodes":       func(e *Endpoint) { e.NodeHints = []string{"n1"} },
	} {
		ix := NewIndex(testSettings)
		list := EndpointSlice{Namespace: "shop", Name: "web-1", Service: "web", Endpoints: []Endpoint{{Address: netip.MustParseAddr("10.0.0.7")}}}
		ix.SetEndpointSlice(list)
		edit(&list.Endpoints[0])
		if change := ix.SetEndpointSlice(list); len(change.Services) != 1 {
			t.Errorf("%s: got %+v", what, change)
		}
	}
}

// TestPlaceChange: clients who have come near to other endpoints are named.
func TestPlaceChange(t *testing.T) {
	ix := NewIndex(testSettings)
	client := Workload{Namespace: "shop", Name: "c"}
	ix.SetWorkload(client)
	ix.SetWorkload(Workload{Namespace: "shop", Name: "elsewhere", Node: "n2"})
	name := []types.NamespacedName{{Namespace: "shop", Name: "c"}}
	ix.SetService(Service{Namespace: "shop", Name: "all", Selector: map[string]string{"app": "c"}})
	client.Labels = map[string]string{"app": "c"}
	ix.SetWorkload(client)
	client.Node = "n1"
	change := ix.SetWorkload(client)
	if got := change.Workloads; !cmp.Equal(name, got) {
		t.Errorf("scheduled: got %v", got)
	}
	if len(change.Services) != 1 { // whose internalTrafficPolicy may be Local
		t.Errorf("the endpoint is on a node: got %v", change.Services)
	}
	for _, zone := range []string{"z1", "z2", ""} {
		if got := ix.SetNode(Node{Name: "n1", Zone: zone}).Workloads; !cmp.Equal(name, got) {
			t.Errorf("zone %q: got %v", zone, got)
		}
		if got := ix.SetNode(Node{Name: "n1", Zone: zone}).Workloads; got != nil {
			t.Errorf("zone %q again: got %v", zone, got)
		}
	}
	ix.SetNode(Node{Name: "n1", Zone: "z1"})
	if got := ix.Delete(KindNode, types.NamespacedName{Name: "n1"}).Workloads; !cmp.Equal(name, got) {
		t.Errorf("node gone: got %v", got)
	}
}

// TestLookupShares: however many endpoints there are, each way to begin is said once.
func TestLookupShares(t *testing.T) {
	objects := []string{serviceSpec("web", "clusterIP: 10.1.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]")}
	for i := range 6 {
		one := proxied
		if i%2 == 0 {
			one = bare
		}
		objects = append(objects, addressed(one(fmt.Sprintf("shop/web-%d", i), "app=web"), fmt.Sprintf("10.0.0.%d", i)))
	}
	answer := build(t, objects...).Lookup(Workload{Namespace: "shop"}, netip.MustParseAddrPort("10.1.0.1:80"))
	if len(answer.Endpoints) != 6 || len(answer.TLS) != 2 {
		t.Errorf("%d endpoints, %d choices", len(answer.Endpoints), len(answer.TLS))
	}
}
