package policy

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/warifu/warifu/internal/proxyconfig"
)

var sameAddr = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestWorkloadOf(t *testing.T) {
	got := WorkloadOf(decode[corev1.Pod](t, []byte(`
metadata: {namespace: shop, name: web, uid: u1, labels: {app: web}, annotations: {warifu.dev/exclude-inbound-ports: "9090, 22,x,0,70000", warifu.dev/client-wait: "9000=250ms,x,3306=0s"}}
spec:
  nodeName: n1
  serviceAccountName: front
  initContainers:
  - {name: warifu-redirect}
  - {name: warifu-proxy, restartPolicy: Always, ports: [{containerPort: 15020}]}
  - {name: side, restartPolicy: Always, ports: [{name: side, containerPort: 7000}]}
  - {name: once, ports: [{containerPort: 7001}]}
  containers:
  - {name: app, ports: [{name: web, containerPort: 8080}, {name: dns, containerPort: 53, protocol: UDP}]}
status: {phase: Running, podIP: 10.0.0.7, podIPs: [{ip: 10.0.0.7}, {ip: "fd00::7"}]}
`)))
	want := Workload{
		Namespace: "shop", Name: "web", UID: "u1", Labels: map[string]string{"app": "web"}, ServiceAccount: "front", Node: "n1", Proxied: true,
		IPs:                  []netip.Addr{netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("fd00::7")},
		Ports:                []WorkloadPort{{"web", 8080, TCP}, {"dns", 53, UDP}, {"side", 7000, TCP}},
		ExcludedInboundPorts: []uint16{22, 9090},
		ClientWaits:          []proxyconfig.PortWait{{Port: 3306}, {Port: 9000, Milliseconds: 250}},
	}
	if diff := cmp.Diff(want, got, sameAddr); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNotProxied(t *testing.T) {
	for _, tc := range []struct {
		name, pod string
		want      NotProxiedReason
		addresses int
	}{
		{"plain", "{spec: {containers: [{name: app}]}, status: {podIP: 10.0.0.1}}", NotProxiedNotInjected, 1},
		{"proxied", "{spec: {initContainers: [{name: warifu-proxy}]}, status: {podIP: 10.0.0.1}}", "", 1},
		{"proxied, as a container", "{spec: {containers: [{name: warifu-proxy}]}, status: {podIP: 10.0.0.1}}", "", 1},
		{"labels do not undo the spec", "{metadata: {labels: {warifu.dev/inject: 'false', warifu.dev/dataplane: none}}, spec: {initContainers: [{name: warifu-proxy}]}}", "", 0},
		{"labels do not make one", "{metadata: {labels: {warifu.dev/inject: 'true', warifu.dev/dataplane: sidecar}, annotations: {warifu.dev/status: '{}'}}, spec: {containers: [{name: app}]}}", NotProxiedNotInjected, 0},
		{"opted out", "{metadata: {labels: {warifu.dev/inject: 'false'}}, spec: {containers: [{name: app}]}}", NotProxiedOptedOut, 0},
		{"data plane none, asked for", "{metadata: {labels: {warifu.dev/dataplane: none}}, spec: {containers: [{name: app}]}}", NotProxiedNoDataPlane, 0},
		{"data plane none, given", "{spec: {containers: [{name: app}], volumes: [{name: warifu-tls}]}}", NotProxiedNoDataPlane, 0},
		{"hostNetwork: the address is the node's", "{spec: {hostNetwork: true, containers: [{name: app}]}, status: {podIP: 10.0.0.1}}", NotProxiedHostNetwork, 0},
		{"hostNetwork with a proxy", "{spec: {hostNetwork: true, initContainers: [{name: warifu-proxy}]}}", NotProxiedHostNetwork, 0},
		{"finished: the address is another's by now", "{spec: {initContainers: [{name: warifu-proxy}]}, status: {phase: Succeeded, podIP: 10.0.0.1}}", "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := WorkloadOf(decode[corev1.Pod](t, []byte(tc.pod)))
			if w.NotProxied != tc.want || w.Proxied != (tc.want == "") || len(w.IPs) != tc.addresses {
				t.Errorf("got %+v", w)
			}
			if injected := w.WithProxy(); !injected.Proxied || injected.NotProxied != "" {
				t.Errorf("WithProxy: %+v", injected)
			}
		})
	}
}

// Finished pods are known, and nothing selects them.
func TestFinishedPods(t *testing.T) {
	ix := build(t, pa("shop/p", "{mtls: {mode: STRICT}}"), "{kind: Pod, metadata: {namespace: shop, name: job, labels: {app: job}}, spec: {initContainers: [{name: warifu-proxy}]}, status: {phase: Failed}}")
	if n, _ := ix.Selected(ref(pa, "shop/p")); n != 0 {
		t.Errorf("%d selected", n)
	}
	if w, ok := ix.Workload(parseName(t, "shop/job")); !ok || !w.Finished {
		t.Errorf("got %+v, %v", w, ok)
	}
	if tls := ix.Client(Workload{Namespace: "shop"}, Destination{Host: "10.0.0.7", Port: 80, Workload: parseName(t, "shop/job"), WorkloadPort: 80}); tls.Mode != "DISABLE" {
		t.Errorf("a client begins with %s", tls.Mode)
	}
}

func TestNodeOf(t *testing.T) {
	got := NodeOf(decode[metav1.PartialObjectMetadata](t, []byte("{metadata: {name: n1, labels: {topology.kubernetes.io/zone: z1}}}")))
	if diff := cmp.Diff(Node{Name: "n1", Zone: "z1"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestServiceOf(t *testing.T) {
	got := ServiceOf(decode[corev1.Service](t, []byte(`
metadata: {namespace: shop, name: web}
spec:
  clusterIP: 10.1.0.1
  clusterIPs: [10.1.0.1, "fd00::1"]
  externalIPs: [192.0.2.1]
  loadBalancerSourceRanges: ["10.0.0.0/8 ", none]
  selector: {app: web}
  internalTrafficPolicy: Local
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  ports: [{name: http, port: 80, targetPort: web, appProtocol: http}, {port: 53, targetPort: 5353, protocol: UDP}]
status: {loadBalancer: {ingress: [{ip: 192.0.2.2}, {hostname: lb.example}]}}
`)))
	want := Service{
		Namespace: "shop", Name: "web", Selector: map[string]string{"app": "web"},
		ClusterIPs:  []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fd00::1")},
		ExternalIPs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")},
		BalancerIPs: []netip.Addr{netip.MustParseAddr("192.0.2.2")}, SourceRanges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Ports: []ServicePort{{"http", 80, intstr.FromString("web"), TCP, "http"}, {"", 53, intstr.FromInt32(5353), UDP, ""}},

		InternalLocal: true, AffinitySeconds: 60,
	}
	if diff := cmp.Diff(want, got, sameAddr); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	headless := ServiceOf(decode[corev1.Service](t, []byte("{spec: {clusterIP: None, clusterIPs: [None]}}")))
	if !headless.Headless || headless.ClusterIPs != nil {
		t.Errorf("headless: %+v", headless)
	}
	external := ServiceOf(decode[corev1.Service](t, []byte("{spec: {type: ExternalName, externalName: example.org, selector: {app: web}}}")))
	if external.ExternalName != "example.org" || external.Selector != nil {
		t.Errorf("external name: %+v", external)
	}
}

func TestEndpointSliceOf(t *testing.T) {
	got := EndpointSliceOf(decode[discoveryv1.EndpointSlice](t, []byte(`
metadata: {namespace: shop, name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}, {port: 9090}, {name: any}]
endpoints:
- {addresses: [10.0.0.7], conditions: {ready: true}, targetRef: {kind: Pod, namespace: shop, name: web-0}}
- {addresses: [10.0.0.8], conditions: {ready: false}, targetRef: {kind: Pod, name: web-1}}
- {addresses: [192.0.2.1, 192.0.2.2], targetRef: {kind: Node, name: n}}
- {addresses: [10.0.0.9], nodeName: n1, conditions: {ready: false, serving: false, terminating: true}, hints: {forZones: [{name: a}, {name: b}], forNodes: [{name: n1}]}}
`)))
	want := EndpointSlice{
		Namespace: "shop", Name: "web-1", Service: "web", Ports: []EndpointPort{{"http", 8080}, {"", 9090}},
		Endpoints: []Endpoint{
			{Address: netip.MustParseAddr("10.0.0.7"), Pod: types.NamespacedName{Namespace: "shop", Name: "web-0"}, Ready: true, Serving: true},
			{Address: netip.MustParseAddr("10.0.0.8"), Pod: types.NamespacedName{Namespace: "shop", Name: "web-1"}, Serving: true},
			{Address: netip.MustParseAddr("192.0.2.1"), Ready: true, Serving: true},
			{Address: netip.MustParseAddr("10.0.0.9"), Terminating: true, Node: "n1", ZoneHints: []string{"a", "b"}, NodeHints: []string{"n1"}},
		},
	}
	if diff := cmp.Diff(want, got, sameAddr); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNamespaceOf(t *testing.T) {
	in := decode[corev1.Namespace](t, []byte("{metadata: {name: shop, labels: {warifu.dev/injection: enabled}}}"))
	got := NamespaceOf(in)
	in.Labels["warifu.dev/injection"] = "changed"
	if diff := cmp.Diff(Namespace{Name: "shop", Labels: map[string]string{"warifu.dev/injection": "enabled"}}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
