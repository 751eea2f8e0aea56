package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const slicesOfWeb = `
kind: EndpointSlice
metadata: {namespace: shop, name: web-b, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 9000}]
endpoints:
- {addresses: [10.0.0.8], conditions: {ready: false}, targetRef: {kind: Pod, name: web-1, namespace: shop}}
- {addresses: [192.0.2.1]}
---
kind: EndpointSlice
metadata: {namespace: shop, name: web-a, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 9000}, {name: other, port: 1}]
endpoints:
- {addresses: [10.0.0.7], conditions: {ready: true}, targetRef: {kind: Pod, name: web-0, namespace: shop}}
---
kind: EndpointSlice
metadata: {namespace: shop, name: cart-a, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
ports: [{name: http, port: 9000}]
endpoints:
- {addresses: [10.0.0.9]}
`

func addressed(document, ip string) string {
	return strings.TrimSuffix(document, "}") + ", status: {podIP: " + ip + "}}"
}

func TestResolve(t *testing.T) {
	t.Parallel()
	two := []string{addressed(proxied("shop/web-1", "app=web"), "10.0.0.8"), addressed(proxied("shop/web-0", "app=web"), "10.0.0.7"), addressed(proxied("shop/x", "app=x"), "10.0.0.6")}
	with := func(more ...string) []string { return append(two[:3:3], more...) }
	web := func(ports string) string {
		return "{kind: Service, metadata: {namespace: shop, name: web}, spec: {clusterIP: 10.1.0.1, externalIPs: [192.0.2.50], selector: {app: web}, ports: " + ports + "}}"
	}
	for _, tc := range []struct {
		name    string
		objects []string
		to      string
		want    string
	}{
		{"by selector", with(svc("shop/web")), "shop/web:80", "shop/web:80 [shop/web-0 10.0.0.7:8080, shop/web-1 10.0.0.8:8080]"},
		{"by selector, named target", with(web("[{port: 80, targetPort: web}]")), "shop/web:80", "shop/web:80 [shop/web-0 10.0.0.7:8080, shop/web-1 10.0.0.8:8080]"},
		{"a target that no pod names", with(web("[{port: 80, targetPort: admin}]")), "shop/web:80", "shop/web:80 []"},
		{"no target: the port itself", with(web("[{port: 8080}]")), "shop/web:8080", "shop/web:8080 [shop/web-0 10.0.0.7:8080, shop/web-1 10.0.0.8:8080]"},
		{"by slices", with(svc("shop/web"), slicesOfWeb), "shop/web:80", "shop/web:80 [shop/web-0 10.0.0.7:9000, shop/web-1 10.0.0.8:9000 not ready, 192.0.2.1:9000]"},
		{"a manifest has no addresses", []string{svc("shop/web"), proxied("shop/web-0", "app=web")}, "shop/web:80", "shop/web:80 [shop/web-0 invalid IP:8080]"},
		{"by a slice that names no pods", with("{kind: Service, metadata: {namespace: shop, name: web}, spec: {ports: [{name: a, port: 80}]}}",
			"{kind: EndpointSlice, metadata: {namespace: shop, name: web-1, labels: {kubernetes.io/service-name: web}}, ports: [{name: a, port: 9}], endpoints: [{addresses: [10.0.0.6]}, {addresses: [192.0.2.1]}]}"),
			"shop/web:80", "shop/web:80 [shop/x 10.0.0.6:9, 192.0.2.1:9]"},
		{"both protocols on a port: TCP", with(web("[{name: udp, port: 53, protocol: UDP, targetPort: 54}, {name: tcp, port: 53, protocol: TCP, targetPort: 55}, {name: x, port: 53, protocol: SCTP, targetPort: 56}]")), "shop/web:53",
			"shop/web:53 [shop/web-0 10.0.0.7:55, shop/web-1 10.0.0.8:55]"},
		{"no such Service", nil, "shop/web:80", "service shop/web is not known"},
		{"no such port", with(web("[{port: 80}, {port: 81, name: x}]")), "shop/web:8080", "service shop/web has no port 8080: it has 80, 81"},
		{"no ports at all", with("{kind: Service, metadata: {namespace: shop, name: web}, spec: {clusterIP: None}}"), "shop/web:80", "service shop/web has no port 80: it has none"},
		{"by cluster address", with(web("[{port: 80, targetPort: 8080}]")), "10.1.0.1:80", "shop/web:80 [shop/web-0 10.0.0.7:8080, shop/web-1 10.0.0.8:8080]"},
		{"by external address", with(web("[{port: 80, targetPort: 8080}]")), "192.0.2.50:80", "shop/web:80 [shop/web-0 10.0.0.7:8080, shop/web-1 10.0.0.8:8080]"},
		{"by cluster address, another port", with(web("[{port: 80}]")), "10.1.0.1:81", "shop/web:81 []"},
		{"by pod address", with(web("[{port: 80, targetPort: 8080}]")), "10.0.0.7:8080", "10.0.0.7:8080 [shop/web-0 10.0.0.7:8080]"},
		{"by pod address, headless", with("{kind: Service, metadata: {namespace: shop, name: web}, spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: web}]}}"), "10.0.0.7:8080",
			"shop/web:80 [shop/web-0 10.0.0.7:8080]"},
		{"by pod address, headless, another port", with("{kind: Service, metadata: {namespace: shop, name: web}, spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: web}]}}"), "10.0.0.7:9",
			"10.0.0.7:9 [shop/web-0 10.0.0.7:9]"},
		{"by pod address written as IPv6", two, "[::ffff:10.0.0.7]:8080", "10.0.0.7:8080 [shop/web-0 10.0.0.7:8080]"},
		{"nobody's", two, "192.0.2.99:80", "not in the cluster"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ix := build(t, tc.objects...)
			if diff := cmp.Diff(tc.want, resolved(t, ix, tc.to)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func resolved(t *testing.T, ix *Index, to string) string {
	t.Helper()
	var r Resolution
	if strings.Contains(to, "/") {
		host, port, _ := strings.Cut(to, ":")
		var number uint16
		if _, err := fmt.Sscan(port, &number); err != nil {
			t.Fatal(err)
		}
		var err error
		if r, err = ix.ResolveService(parseName(t, host), number); err != nil {
			return err.Error()
		}
	} else {
		var ok bool
		if r, ok = ix.ResolveAddress(netip.MustParseAddrPort(to)); !ok {
			return "not in the cluster"
		}
	}
	backends := make([]string, len(r.Backends))
	for i, b := range r.Backends {
		backends[i] = fmt.Sprintf("%s:%d", b.Address, b.Port)
		if b.Workload.Name != "" {
			backends[i] = b.Workload.String() + " " + backends[i]
		}
		if !b.Ready {
			backends[i] += " not ready"
		}
	}
	at := r.Host
	if r.Service.Name != "" {
		at = r.Service.String()
	}
	return fmt.Sprintf("%s:%d [%s]", at, r.Port, strings.Join(backends, ", "))
}

// A rule for a headless Service holds for its pods' own addresses: that is how its clients dial.
func TestHeadlessFollowsItsRule(t *testing.T) {
	ix := build(t, addressed(proxied("shop/db-0", "app=db"), "10.0.0.7"), dr("shop/r", "{host: db, "+tlsDisable+"}"),
		"{kind: Service, metadata: {namespace: shop, name: db}, spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432, targetPort: 8080}]}}")
	r, _ := ix.ResolveAddress(netip.MustParseAddrPort("10.0.0.7:8080"))
	if got := describeTLS(ix.Client(Workload{Namespace: "shop"}, r.Destination(r.Backends[0]))); got != "DISABLE by shop/r" {
		t.Errorf("got %s", got)
	}
}
