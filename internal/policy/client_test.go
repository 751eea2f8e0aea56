package policy

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// clientCase asks what a client does towards a destination.
type clientCase struct {
	name    string
	objects []string
	// from is the client's pod, proxied, with app=<its name>, made if the objects do not have it.
	from string
	// to is namespace/service:port, or host:port of an address or name. Of a Service the first backend is chosen.
	to string
	// want is "MODE by namespace/name", or "auto MODE".
	want string
}

func runClientCases(t *testing.T, cases []clientCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ix := build(t, tc.objects...)
			got := ask(t, ix, tc.from, tc.to)
			if text := describeTLS(got); text != tc.want {
				t.Errorf("got  %s\nwant %s", text, tc.want)
			}
		})
	}
}

func ask(t *testing.T, ix *Index, from, to string) proxyconfig.ClientTLS {
	t.Helper()
	name := parseName(t, from)
	client, known := ix.Workload(name)
	if !known {
		client = Workload{Namespace: name.Namespace, Name: name.Name, Labels: map[string]string{"app": name.Name}, Proxied: true}
	}
	return ix.Client(client, destination(t, ix, to))
}

func destination(t *testing.T, ix *Index, to string) Destination {
	t.Helper()
	i := strings.LastIndex(to, ":")
	port, err := strconv.ParseUint(to[i+1:], 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(to, "/") {
		return Destination{Host: to[:i], Port: uint16(port)}
	}
	d := Destination{Service: parseName(t, to[:i]), Port: uint16(port)}
	if r, err := ix.ResolveService(d.Service, d.Port); err == nil && len(r.Backends) > 0 {
		d = r.Destination(r.Backends[0])
	}
	return d
}

func describeTLS(tls proxyconfig.ClientTLS) string {
	text := string(tls.Mode)
	if tls.Auto {
		text = "auto " + text
	}
	if tls.DecidedBy != nil {
		text += " by " + tls.DecidedBy.Namespace + "/" + tls.DecidedBy.Name
	}
	return text
}

const (
	tlsSimple  = "trafficPolicy: {tls: {mode: SIMPLE}}"
	tlsDisable = "trafficPolicy: {tls: {mode: DISABLE}}"
	tlsMutual  = "trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"
)

// TestHostResolution: which hosts mean Service shop/web, for a client in shop.
func TestHostResolution(t *testing.T) {
	t.Parallel()
	rule := func(name, host, rest string) string { return dr(name, "{host: '"+host+"', "+rest+"}") }
	plain := func(name, host string) string { return rule(name, host, tlsDisable) }
	runClientCases(t, []clientCase{
		{"short name: the rule's own namespace", []string{plain("shop/r", "web")}, "shop/c", "shop/web:80", "DISABLE by shop/r"},
		{"short name: not the service's", []string{plain("cart/r", "web")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"short name: not the client's", []string{plain("shop/r", "web")}, "cart/c", "cart/web:80", "auto DISABLE"},
		{"name.namespace is not completed", []string{plain("shop/r", "web.shop")}, "shop/c", "shop/web:80", "auto DISABLE"},
		{"full name", []string{plain("shop/r", "web.shop.svc.cluster.local")}, "shop/c", "shop/web:80", "DISABLE by shop/r"},
		{"full name in capitals", []string{plain("shop/r", "Web.Shop.svc.cluster.local")}, "shop/c", "shop/web:80", "DISABLE by shop/r"},
		{"full name of another service", []string{plain("shop/r", "web2.shop.svc.cluster.local")}, "shop/c", "shop/web:80", "auto DISABLE"},
		{"wildcard", []string{plain("shop/r", "*.shop.svc.cluster.local")}, "shop/c", "shop/web:80", "DISABLE by shop/r"},
		{"wildcard of another namespace", []string{plain("shop/r", "*.cart.svc.cluster.local")}, "shop/c", "shop/web:80", "auto DISABLE"},
		{"star", []string{plain("shop/r", "*")}, "shop/c", "shop/web:80", "DISABLE by shop/r"},
		{"exact beats wildcard", []string{plain("shop/a", "*"), rule("shop/b", "web", tlsSimple)}, "shop/c", "shop/web:80", "SIMPLE by shop/b"},
		{"longest wildcard wins, whatever the age", []string{plain("shop/a@01", "*.local"), rule("shop/b@02", "*.shop.svc.cluster.local", tlsSimple)}, "shop/c", "shop/web:80", "SIMPLE by shop/b"},
		{"a name given in full is the Service", []string{plain("shop/r", "web")}, "shop/c", "web.shop.svc.cluster.local:80", "DISABLE by shop/r"},
		{"IP literal", []string{plain("shop/r", "10.0.0.9")}, "shop/c", "10.0.0.9:80", "DISABLE by shop/r"},
		{"IPv6 literal in another spelling", []string{plain("shop/r", "2001:DB8:0::1")}, "shop/c", "2001:db8::1:80", "DISABLE by shop/r"},
		{"wildcards cover names, not addresses", []string{rule("shop/r", "*", tlsMutual)}, "shop/c", "10.0.0.9:80", "auto DISABLE"},
		{"a foreign name by a wildcard", []string{rule("shop/r", "*.example.org", tlsSimple)}, "shop/c", "api.example.org:443", "SIMPLE by shop/r"},
		{"a wildcard needs something before it", []string{rule("shop/r", "*.example.org", tlsSimple)}, "shop/c", "example.org:443", "auto DISABLE"},
	})
}

// TestRuleNamespaces: the client's namespace, then the service's, then the root namespace; the first that has a match ends
// the search.
func TestRuleNamespaces(t *testing.T) {
	t.Parallel()
	const web = "host: web.shop.svc.cluster.local"
	runClientCases(t, []clientCase{
		{"client's first", []string{dr("cart/r", "{"+web+", "+tlsSimple+"}"), dr("shop/r", "{"+web+", "+tlsDisable+"}"), dr("warifu-system/r", "{"+web+", "+tlsMutual+"}")},
			"cart/c", "shop/web:80", "SIMPLE by cart/r"},
		{"then the service's", []string{dr("shop/r", "{"+web+", "+tlsDisable+"}"), dr("warifu-system/r", "{"+web+", "+tlsMutual+"}")},
			"cart/c", "shop/web:80", "DISABLE by shop/r"},
		{"then the root's", []string{dr("warifu-system/r", "{"+web+", "+tlsMutual+"}")}, "cart/c", "shop/web:80", "ISTIO_MUTUAL by warifu-system/r"},
		{"a third namespace has no say", []string{dr("other/r", "{"+web+", "+tlsSimple+"}")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"a less specific rule of the client's beats an exact one of the service's", []string{dr("cart/r", "{host: '*.local', "+tlsSimple+"}"), dr("shop/r", "{"+web+", "+tlsDisable+"}")},
			"cart/c", "shop/web:80", "SIMPLE by cart/r"},
		{"and nothing is merged: without tls it is automatic", []string{dr("cart/r", "{"+web+"}"), dr("shop/r", "{"+web+", "+tlsDisable+"}"), svc("shop/web"), proxied("shop/web", "app=web")},
			"cart/c", "shop/web:80", "auto ISTIO_MUTUAL"},
		{"not exported", []string{dr("shop/r", "{"+web+", "+tlsDisable+", exportTo: ['.']}")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"not exported, but in its own namespace", []string{dr("shop/r", "{"+web+", "+tlsDisable+", exportTo: ['.']}")}, "shop/c", "shop/web:80", "DISABLE by shop/r"},
		{"exported to others only, but in its own namespace", []string{dr("shop/r", "{"+web+", "+tlsDisable+", exportTo: [cart]}")}, "shop/c", "shop/web:80", "DISABLE by shop/r"},
		{"exported to the client", []string{dr("shop/r", "{"+web+", "+tlsDisable+", exportTo: [cart]}")}, "cart/c", "shop/web:80", "DISABLE by shop/r"},
		{"exported to another", []string{dr("shop/r", "{"+web+", "+tlsDisable+", exportTo: [other]}")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"a hidden exact rule leaves room for a visible wildcard", []string{dr("shop/a", "{"+web+", "+tlsDisable+", exportTo: [other]}"), dr("shop/b", "{host: '*', "+tlsSimple+"}")},
			"cart/c", "shop/web:80", "SIMPLE by shop/b"},
		{"client in the root: its private rule first", []string{dr("warifu-system/a", "{"+web+", "+tlsSimple+", exportTo: ['.']}"), dr("shop/r", "{"+web+", "+tlsDisable+"}")},
			"warifu-system/c", "shop/web:80", "SIMPLE by warifu-system/a"},
		{"client in the root: its public rule after the service's", []string{dr("warifu-system/a", "{"+web+", "+tlsSimple+"}"), dr("shop/r", "{"+web+", "+tlsDisable+"}")},
			"warifu-system/c", "shop/web:80", "DISABLE by shop/r"},
		{"root rule exported to another namespace", []string{dr("warifu-system/a", "{"+web+", "+tlsSimple+", exportTo: [cart]}")}, "warifu-system/c", "shop/web:80", "auto DISABLE"},
	})
}

// TestExportTo is the model's query table: client namespace, service namespace, and whose rule holds.
func TestExportTo(t *testing.T) {
	t.Parallel()
	rules := []string{
		dr("test1/r1", "{host: '*', exportTo: ['.', ns1], "+tlsSimple+"}"),
		dr("test2/r2", "{host: '*', exportTo: [test2, ns1, test1, newns], "+tlsSimple+"}"),
		dr("test3/r3", "{host: '*', exportTo: ['*'], "+tlsSimple+"}"),
		dr("test4/r4", "{host: '*', exportTo: ['*'], "+tlsSimple+"}"),
		dr("test5/r5", "{host: '*', exportTo: [warifu-system], "+tlsSimple+"}"),
		dr("test6/r6", "{host: 'svc.test6.svc.cluster.local', exportTo: ['.'], "+tlsSimple+"}"),
		dr("warifu-system/private-app", "{host: '*.app.org', exportTo: ['.'], "+tlsSimple+"}"),
		dr("warifu-system/private-org", "{host: '*.org', exportTo: ['.'], "+tlsSimple+"}"),
		dr("warifu-system/private", "{host: 'svc.random.svc.cluster.local', exportTo: ['.'], "+tlsSimple+"}"),
	}
	var cases []clientCase
	for _, q := range []struct{ client, to, want string }{
		{"test1", "test1/svc:80", "SIMPLE by test1/r1"},
		{"test1", "test2/svc:80", "SIMPLE by test1/r1"},
		{"test2", "test1/svc:80", "SIMPLE by test2/r2"},
		{"newns", "test2/svc:80", "SIMPLE by test2/r2"},
		{"test3", "test1/svc:80", "SIMPLE by test3/r3"},
		{"other", "test4/svc:80", "SIMPLE by test4/r4"},
		{"other", "test2/svc:80", "auto DISABLE"},
		{"ns1", "test1/svc:80", "SIMPLE by test1/r1"},
		{"warifu-system", "random/svc:80", "SIMPLE by warifu-system/private"},
		{"warifu-system", "foo.app.org:80", "SIMPLE by warifu-system/private-app"},
		{"warifu-system", "test5/svc:80", "SIMPLE by test5/r5"},
		{"warifu-system", "test6/svc:80", "auto DISABLE"},
		{"warifu-system", "test7/svc:80", "auto DISABLE"},
	} {
		cases = append(cases, clientCase{q.client + " to " + q.to, rules, q.client + "/c", q.to, q.want})
	}
	runClientCases(t, cases)
}

// TestMerging: rules for one host in one namespace.
func TestMerging(t *testing.T) {
	t.Parallel()
	selects := func(app string) string { return "workloadSelector: {matchLabels: {app: " + app + "}}" }
	runClientCases(t, []clientCase{
		{"both have a trafficPolicy: the older, whole", []string{dr("shop/a@02", "{host: web, "+tlsSimple+"}"), dr("shop/b@01", "{host: web, "+tlsDisable+"}")}, "shop/c", "shop/web:80", "DISABLE by shop/b"},
		{"equal age: first by name", []string{dr("shop/b@01", "{host: web, "+tlsSimple+"}"), dr("shop/a@01", "{host: web, "+tlsDisable+"}")}, "shop/c", "shop/web:80", "DISABLE by shop/a"},
		{"no field is merged", []string{
			dr("shop/a@01", "{host: web, trafficPolicy: {portLevelSettings: [{port: {number: 81}, tls: {mode: DISABLE}}]}}"), dr("shop/b@02", "{host: web, "+tlsSimple+"}")}, "shop/c", "shop/web:80", "auto DISABLE"},
		{"the older has none: the second's is adopted", []string{dr("shop/a@01", "{host: web}"), dr("shop/b@02", "{host: web, "+tlsSimple+"}"), dr("shop/d@03", "{host: web, "+tlsDisable+"}")}, "shop/c", "shop/web:80", "SIMPLE by shop/b"},
		{"short and full name are one host", []string{dr("shop/a@01", "{host: web}"), dr("shop/b@02", "{host: web.shop.svc.cluster.local, "+tlsSimple+"}")}, "shop/c", "shop/web:80", "SIMPLE by shop/b"},
		{"another exportTo is not merged", []string{dr("shop/a@01", "{host: web}"), dr("shop/b@02", "{host: web, exportTo: [cart], "+tlsSimple+"}")}, "shop/c", "shop/web:80", "auto DISABLE"},
		{"the first visible wins", []string{dr("shop/a@01", "{host: web, exportTo: [other], "+tlsDisable+"}"), dr("shop/b@02", "{host: web, "+tlsSimple+"}")}, "cart/c", "shop/web:80", "SIMPLE by shop/b"},
		{"another selector is not merged", []string{dr("shop/a@01", "{host: web, "+selects("c")+"}"), dr("shop/b@02", "{host: web, "+tlsSimple+"}")}, "shop/c", "shop/web:80", "auto DISABLE"},
		{"a matching selector beats none, whatever the age", []string{dr("shop/a@01", "{host: web, "+tlsSimple+"}"), dr("shop/b@02", "{host: web, "+tlsDisable+", "+selects("c")+"}")}, "shop/c", "shop/web:80", "DISABLE by shop/b"},
		{"a selector that does not match is not there", []string{dr("shop/a@01", "{host: '*', "+tlsSimple+"}"), dr("shop/b@02", "{host: web, "+tlsDisable+", "+selects("d")+"}")}, "shop/c", "shop/web:80", "SIMPLE by shop/a"},
		{"a selector holds in its own namespace only", []string{dr("shop/b", "{host: web, "+tlsDisable+", "+selects("c")+"}")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"of two selectors the older", []string{dr("shop/a@02", "{host: web, "+tlsSimple+", "+selects("c")+"}"), dr("shop/b@01", "{host: web, "+tlsDisable+", "+selects("c")+"}")}, "shop/c", "shop/web:80", "DISABLE by shop/b"},
		{"different hosts are never merged: the exact rule drops the wildcard's tls", []string{dr("shop/a", "{host: '*', "+tlsSimple+"}"), dr("shop/b", "{host: web}")}, "shop/c", "shop/web:80", "auto DISABLE"},
		{"port: the entry's", []string{dr("shop/a", "{host: web, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}}")}, "shop/c", "shop/web:80", "DISABLE by shop/a"},
		{"port: another's", []string{dr("shop/a", "{host: web, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 81}, tls: {mode: DISABLE}}]}}")}, "shop/c", "shop/web:80", "SIMPLE by shop/a"},
		{"port: it is the Service's, not the container's", []string{svc("shop/web"), proxied("shop/web", "app=web"),
			dr("shop/a", "{host: web, trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 8080}, tls: {mode: DISABLE}}]}}")}, "shop/c", "shop/web:80", "SIMPLE by shop/a"},
		{"subsets are never selected", []string{dr("shop/a", "{host: web, "+tlsSimple+", subsets: [{name: v1, labels: {v: one}, "+tlsDisable+"}]}")}, "shop/c", "shop/web:80", "SIMPLE by shop/a"},
		{"a rule with errors is not there", []string{dr("shop/a@01", "{host: web, trafficPolicy: {tls: {}}}"), dr("shop/b@02", "{host: web, "+tlsSimple+"}")}, "shop/c", "shop/web:80", "SIMPLE by shop/b"},
	})
}

// An entry of portLevelSettings without tls inherits the rule's. No such entry passes the checks today, because it would
// have to set something that is not supported; the rule stands for when it can.
func TestPortWithoutTLSInherits(t *testing.T) {
	simple := &proxyconfig.ClientTLS{Mode: proxyconfig.ClientSimple}
	policy := &trafficPolicy{tls: simple, ports: map[uint16]*proxyconfig.ClientTLS{80: nil}}
	if got := policy.forPort(80); got != simple {
		t.Errorf("got %v", got)
	}
}

// TestAutomatic: what a client does where no rule sets TLS depends on the endpoint alone.
func TestAutomatic(t *testing.T) {
	t.Parallel()
	service := svc("shop/web")
	runClientCases(t, []clientCase{
		{"proxied endpoint, no policy", []string{service, proxied("shop/web-0", "app=web")}, "cart/c", "shop/web:80", "auto ISTIO_MUTUAL"},
		{"proxied endpoint, STRICT", []string{service, proxied("shop/web-0", "app=web"), pa("shop/p", "{mtls: {mode: STRICT}}")}, "cart/c", "shop/web:80", "auto ISTIO_MUTUAL"},
		{"proxied endpoint, PERMISSIVE", []string{service, proxied("shop/web-0", "app=web"), pa("shop/p", "{mtls: {mode: PERMISSIVE}}")}, "cart/c", "shop/web:80", "auto ISTIO_MUTUAL"},
		{"endpoint without a proxy", []string{service, bare("shop/web-0", "app=web")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"endpoint without a proxy, STRICT", []string{service, bare("shop/web-0", "app=web"), pa("shop/p", "{mtls: {mode: STRICT}}")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"namespace DISABLE", []string{service, proxied("shop/web-0", "app=web"), pa("shop/p", "{mtls: {mode: DISABLE}}")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"namespace DISABLE, the workload STRICT: the workload's counts", []string{service, proxied("shop/web-0", "app=web"), pa("shop/p", "{mtls: {mode: DISABLE}}"),
			pa("shop/q", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}")}, "cart/c", "shop/web:80", "auto ISTIO_MUTUAL"},
		{"workload DISABLE", []string{service, proxied("shop/web-0", "app=web"), pa("shop/q", "{selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"its port DISABLE", []string{service, proxied("shop/web-0", "app=web"), pa("shop/q", "{selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: DISABLE}}}")}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"another port DISABLE", []string{service, proxied("shop/web-0", "app=web"), pa("shop/q", "{selector: {matchLabels: {app: web}}, portLevelMtls: {80: {mode: DISABLE}}}")}, "cart/c", "shop/web:80", "auto ISTIO_MUTUAL"},
		{"no endpoints", []string{service}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"a Service that is not known", nil, "cart/c", "shop/web:80", "auto DISABLE"},
		{"a pod that has finished", []string{service, "{kind: Pod, metadata: {namespace: shop, name: web-0, labels: {app: web}}, spec: {initContainers: [{name: warifu-proxy}]}, status: {phase: Succeeded}}",
			"{kind: EndpointSlice, metadata: {namespace: shop, name: web-1, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, ports: [{name: http, port: 8080}], endpoints: [{addresses: [10.0.0.7], targetRef: {kind: Pod, name: web-0}}]}"},
			"cart/c", "shop/web:80", "auto DISABLE"},
		{"outside the cluster", nil, "cart/c", "93.184.216.34:443", "auto DISABLE"},
		{"explicit DISABLE to STRICT: as written", []string{service, proxied("shop/web-0", "app=web"), pa("shop/p", "{mtls: {mode: STRICT}}"), dr("shop/r", "{host: web, "+tlsDisable+"}")}, "cart/c", "shop/web:80", "DISABLE by shop/r"},
		{"explicit ISTIO_MUTUAL without a proxy: as written", []string{service, bare("shop/web-0", "app=web"), dr("shop/r", "{host: web, "+tlsMutual+"}")}, "cart/c", "shop/web:80", "ISTIO_MUTUAL by shop/r"},
		{"ExternalName", []string{"{kind: Service, metadata: {namespace: shop, name: web}, spec: {type: ExternalName, externalName: example.org, ports: [{port: 80}]}}"}, "cart/c", "shop/web:80", "auto DISABLE"},
		{"without a selector, endpoints outside", []string{"{kind: Service, metadata: {namespace: shop, name: db}, spec: {ports: [{port: 80}]}}",
			"{kind: EndpointSlice, metadata: {namespace: shop, name: db-1, labels: {kubernetes.io/service-name: db}}, addressType: IPv4, ports: [{name: '', port: 5432}], endpoints: [{addresses: [192.0.2.7]}]}"},
			"cart/c", "shop/db:80", "auto DISABLE"},
		{"without a selector, a pod written into the slice", []string{"{kind: Service, metadata: {namespace: shop, name: db}, spec: {ports: [{port: 80}]}}", proxied("shop/db-0"),
			"{kind: EndpointSlice, metadata: {namespace: shop, name: db-1, labels: {kubernetes.io/service-name: db}}, addressType: IPv4, ports: [{name: '', port: 5432}], endpoints: [{addresses: [10.0.0.7], targetRef: {kind: Pod, name: db-0}}]}"},
			"cart/c", "shop/db:80", "auto ISTIO_MUTUAL"},
	})
}

// TestClientSettings: what is verified and announced.
func TestClientSettings(t *testing.T) {
	objects := []string{svc("shop/web"),
		strings.Replace(proxied("shop/web-0", "app=web"), "spec: {", "spec: {serviceAccountName: front, ", 1),
		strings.Replace(proxied("shop/web-1", "app=web"), "spec: {", "spec: {serviceAccountName: back, ", 1)}
	const fqdn = "web.shop.svc.cluster.local"
	ids := []string{"spiffe://td/ns/shop/sa/back", "spiffe://td/ns/shop/sa/front"}
	direct := Destination{Host: "10.0.0.7", Port: 8080, Workload: types.NamespacedName{Namespace: "shop", Name: "web-0"}, WorkloadPort: 8080}
	rule := &proxyconfig.ObjectRef{Kind: "DestinationRule", Namespace: "shop", Name: "r"}
	for _, tc := range []struct {
		name, rule string
		to         *Destination
		want       proxyconfig.ClientTLS
	}{
		{"automatic", "", nil, proxyconfig.ClientTLS{Mode: "ISTIO_MUTUAL", Auto: true, SNI: fqdn, Identities: ids}},
		{"automatic, a pod's own address", "", &direct, proxyconfig.ClientTLS{Mode: "ISTIO_MUTUAL", Auto: true, Identities: ids[1:]}},
		{"ISTIO_MUTUAL", "{host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}", nil, proxyconfig.ClientTLS{Mode: "ISTIO_MUTUAL", DecidedBy: rule, SNI: fqdn, Identities: ids}},
		{"ISTIO_MUTUAL with names of its own", "{host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: x.example, subjectAltNames: ['spiffe://td/ns/a/sa/b']}}}", nil,
			proxyconfig.ClientTLS{Mode: "ISTIO_MUTUAL", DecidedBy: rule, SNI: "x.example", Identities: []string{"spiffe://td/ns/a/sa/b"}}},
		{"ISTIO_MUTUAL to a pod's own address", "{host: 10.0.0.7, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}", &direct, proxyconfig.ClientTLS{Mode: "ISTIO_MUTUAL", DecidedBy: rule, Identities: ids[1:]}},
		{"SIMPLE", "{host: web, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /var/run/secrets/warifu.dev/volumes/ca/ca.crt}}}", nil,
			proxyconfig.ClientTLS{Mode: "SIMPLE", DecidedBy: rule, SNI: fqdn, SubjectAltNames: []string{fqdn}, CACertificates: "/var/run/secrets/warifu.dev/volumes/ca/ca.crt"}},
		{"SIMPLE with names of its own", "{host: web, trafficPolicy: {tls: {mode: SIMPLE, sni: x.example, subjectAltNames: [y.example]}}}", nil,
			proxyconfig.ClientTLS{Mode: "SIMPLE", DecidedBy: rule, SNI: "x.example", SubjectAltNames: []string{"y.example"}}},
		{"SIMPLE to an address sends no name and verifies the address", "{host: 10.0.0.7, trafficPolicy: {tls: {mode: SIMPLE}}}", &direct,
			proxyconfig.ClientTLS{Mode: "SIMPLE", DecidedBy: rule, SubjectAltNames: []string{"10.0.0.7"}}},
		{"SIMPLE unverified", "{host: web, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}}", nil, proxyconfig.ClientTLS{Mode: "SIMPLE", DecidedBy: rule, SNI: fqdn, InsecureSkipVerify: true}},
		{"MUTUAL", "{host: web, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: /a, caCrl: /r}}}", nil,
			proxyconfig.ClientTLS{Mode: "MUTUAL", DecidedBy: rule, SNI: fqdn, SubjectAltNames: []string{fqdn}, ClientCertificate: "/c", PrivateKey: "/k", CACertificates: "/a", CACRL: "/r"}},
		{"MUTUAL by Secret", "{host: web, workloadSelector: {matchLabels: {app: c}}, trafficPolicy: {tls: {mode: MUTUAL, credentialName: client}}}", nil,
			proxyconfig.ClientTLS{Mode: "MUTUAL", DecidedBy: rule, SNI: fqdn, SubjectAltNames: []string{fqdn}, CredentialName: "client"}},
		{"DISABLE carries nothing", "{host: web, trafficPolicy: {tls: {mode: DISABLE, sni: x.example}}}", nil, proxyconfig.ClientTLS{Mode: "DISABLE", DecidedBy: rule}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			documents := objects
			if tc.rule != "" {
				documents = append(documents[:3:3], dr("shop/r", tc.rule))
			}
			ix := build(t, documents...)
			to := destination(t, ix, "shop/web:80")
			if tc.to != nil {
				to = *tc.to
			}
			client := Workload{Namespace: "shop", Name: "c", Labels: map[string]string{"app": "c"}, Proxied: true}
			got := ix.Client(client, to)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			// What a caller does with the answer must not reach the next one.
			for i := range got.Identities {
				got.Identities[i] = "changed"
			}
			if diff := cmp.Diff(tc.want, ix.Client(client, to)); diff != "" {
				t.Errorf("the second answer (-want +got)\n%s", diff)
			}
		})
	}
}

// The identities of a Service follow its endpoints and the trust domain's aliases.
func TestIdentitiesFollow(t *testing.T) {
	ix := build(t, svc("shop/web"), proxied("shop/web-0", "app=web"))
	to := destination(t, ix, "shop/web:80")
	want := func(ids ...string) {
		t.Helper()
		if diff := cmp.Diff(ids, ix.Client(Workload{Namespace: "cart"}, to).Identities); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	want("spiffe://td/ns/shop/sa/default")
	load(t, ix, strings.Replace(proxied("shop/web-1", "app=web"), "spec: {", "spec: {serviceAccountName: two, ", 1), nil)
	want("spiffe://td/ns/shop/sa/default", "spiffe://td/ns/shop/sa/two")
	settings := testSettings
	settings.Aliases = []string{"old"}
	ix.SetSettings(settings)
	want("spiffe://td/ns/shop/sa/default", "spiffe://old/ns/shop/sa/default", "spiffe://td/ns/shop/sa/two", "spiffe://old/ns/shop/sa/two")
	// Slices, once there are any, say who the endpoints are.
	load(t, ix, "{kind: EndpointSlice, metadata: {namespace: shop, name: web-1, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.7], targetRef: {kind: Pod, name: web-0}}]}", nil)
	want("spiffe://td/ns/shop/sa/default", "spiffe://old/ns/shop/sa/default")
	ix.Delete(KindEndpointSlice, types.NamespacedName{Namespace: "shop", Name: "web-1"})
	ix.Delete(KindPod, types.NamespacedName{Namespace: "shop", Name: "web-1"})
	want("spiffe://td/ns/shop/sa/default", "spiffe://old/ns/shop/sa/default")
}

func TestClientDefault(t *testing.T) {
	t.Parallel()
	rule := func(name, host, rest string) string { return dr(name, "{host: '"+host+"', "+rest+"}") }
	for _, tc := range []struct {
		name, want string
		rules      []string
	}{
		{"no rule", "auto ISTIO_MUTUAL", nil},
		{"star", "DISABLE by shop/r", []string{rule("shop/r", "*", tlsDisable)}},
		{"*.local", "DISABLE by shop/r", []string{rule("shop/r", "*.local", tlsDisable)}},
		{"*.cluster.local", "DISABLE by shop/r", []string{rule("shop/r", "*.cluster.local", tlsDisable)}},
		{"*.svc.cluster.local", "DISABLE by shop/r", []string{rule("shop/r", "*.svc.cluster.local", tlsDisable)}},
		{"the most specific of them", "SIMPLE by shop/b", []string{rule("shop/a", "*", tlsDisable), rule("shop/b", "*.svc.cluster.local", tlsSimple)}},
		{"one namespace is not every service", "auto ISTIO_MUTUAL", []string{rule("shop/r", "*.shop.svc.cluster.local", tlsDisable)}},
		{"another cluster domain", "auto ISTIO_MUTUAL", []string{rule("shop/r", "*.svc.corp.example", tlsDisable)}},
		{"the root's", "DISABLE by warifu-system/r", []string{rule("warifu-system/r", "*", tlsDisable)}},
		{"the client's namespace before the root's", "SIMPLE by shop/r", []string{rule("warifu-system/r", "*", tlsDisable), rule("shop/r", "*", tlsSimple)}},
		{"the root's, not exported", "auto ISTIO_MUTUAL", []string{rule("warifu-system/r", "*", tlsDisable+", exportTo: ['.']")}},
		{"another namespace's", "auto ISTIO_MUTUAL", []string{rule("cart/r", "*", tlsDisable)}},
		{"without tls: automatic, and the root's does not come through", "auto ISTIO_MUTUAL", []string{rule("warifu-system/r", "*", tlsDisable), dr("shop/r", "{host: '*'}")}},
		{"for this client only", "DISABLE by shop/r", []string{rule("shop/r", "*", tlsDisable+", workloadSelector: {matchLabels: {app: c}}")}},
		{"for other clients only", "auto ISTIO_MUTUAL", []string{rule("shop/r", "*", tlsDisable+", workloadSelector: {matchLabels: {app: d}}")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ix := build(t, tc.rules...)
			if got := describeTLS(ix.ClientDefault(Workload{Namespace: "shop", Labels: map[string]string{"app": "c"}})); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
