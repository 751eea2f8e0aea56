package policy

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/warifu/warifu/internal/proxyconfig"
)

func TestHTTPPorts(t *testing.T) {
	for _, tc := range []struct {
		port string
		want bool
	}{
		{"{port: 80, targetPort: 8080, name: http}", true},
		{"{port: 80, targetPort: 8080, name: http-admin}", true},
		{"{port: 80, targetPort: 8080, name: http2}", true},
		{"{port: 80, targetPort: 8080, name: grpc}", true},
		{"{port: 80, targetPort: 8080, name: grpc-web-x}", true},
		{"{port: 80, targetPort: 8080, name: GRPC}", true},
		{"{port: 80, targetPort: 8080, name: x, appProtocol: kubernetes.io/h2c}", true},
		{"{port: 80, targetPort: 8080, name: x, appProtocol: kubernetes.io/ws}", true},
		{"{port: 80, targetPort: 8080, name: http, appProtocol: mysql}", false},
		{"{port: 80, targetPort: 8080, name: https}", false},
		{"{port: 80, targetPort: 8080, name: x, appProtocol: kubernetes.io/wss}", false},
		{"{port: 80, targetPort: 8080, name: tcp}", false},
		{"{port: 80, targetPort: 8080}", false},
		{"{port: 80, targetPort: 8080, name: http, protocol: UDP}", false},
		{"{port: 8080, targetPort: 9000, name: http}", false},
		{"{port: 80, targetPort: web, name: http}", true},
	} {
		t.Run(tc.port, func(t *testing.T) {
			ix := build(t, proxied("shop/web", "app=web"), "{kind: Service, metadata: {namespace: shop, name: web}, spec: {selector: {app: web}, ports: ["+tc.port+"]}}")
			config, _ := ix.Compile(parseName(t, "shop/web"))
			if got := config.Inbound.HTTP(8080); got != tc.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestWaits: nothing is waited for where a Service declares that the server speaks first, and a pod may say otherwise.
func TestWaits(t *testing.T) {
	annotated := func(list string) string {
		return "{kind: Pod, metadata: {namespace: shop, name: web, labels: {app: web}, annotations: {warifu.dev/client-wait: '" + list + "'}}, spec: {initContainers: [{name: warifu-proxy}], containers: [{name: app, ports: [{name: web, containerPort: 8080}]}]}}"
	}
	plain := proxied("shop/web", "app=web")
	service := func(name, ports string) string {
		return "{kind: Service, metadata: {namespace: shop, name: " + name + "}, spec: {selector: {app: web}, ports: [" + ports + "]}}"
	}
	for _, tc := range []struct {
		name    string
		objects []string
		want    []proxyconfig.PortWait
	}{
		{"mysql by name", []string{plain, service("a", "{port: 3306, name: mysql}")}, []proxyconfig.PortWait{{Port: 3306}}},
		{"with a suffix, in capitals", []string{plain, service("a", "{port: 25, name: x, appProtocol: SMTP-in}")}, []proxyconfig.PortWait{{Port: 25}}},
		{"all of them, ascending, behind their targets", []string{plain, service("a", "{port: 1, name: imap, targetPort: 143}, {port: 2, name: pop3, targetPort: 110}, {port: 3, name: ftp, targetPort: 21}, {port: 4, name: ssh, targetPort: web}")},
			[]proxyconfig.PortWait{{Port: 21}, {Port: 110}, {Port: 143}, {Port: 8080}}},
		{"PostgreSQL: its client begins", []string{plain, service("a", "{port: 5432, name: postgres}")}, nil},
		{"TLS from the start: its client begins", []string{plain, service("a", "{port: 465, name: smtps}")}, nil},
		{"appProtocol before the name", []string{plain, service("a", "{port: 3306, name: mysql, appProtocol: redis}")}, nil},
		{"UDP", []string{plain, service("a", "{port: 22, name: ssh, protocol: UDP}")}, nil},
		{"the pod says so", []string{annotated("9000=250ms, 3306=0s")}, []proxyconfig.PortWait{{Port: 3306}, {Port: 9000, Milliseconds: 250}}},
		{"the pod knows better", []string{annotated("3306=2s"), service("a", "{port: 3306, name: mysql}")}, []proxyconfig.PortWait{{Port: 3306, Milliseconds: 2000}}},
		{"what is malformed is not there", []string{annotated("x=1s,9000=250ms,9000=1s,1=1,70000=1s,2=61s,3=-1s,4=1us,5")}, []proxyconfig.PortWait{{Port: 9000, Milliseconds: 250}}},
		{"one Service says HTTP, another mysql, the pod anything: HTTP", []string{annotated("3306=2s"), service("a", "{port: 3306, name: mysql}"), service("b", "{port: 80, targetPort: 3306, name: http}")}, nil},
		{"twice", []string{plain, service("a", "{port: 3306, name: mysql}"), service("b", "{port: 3307, targetPort: 3306, name: mysql}")}, []proxyconfig.PortWait{{Port: 3306}}},
		{"a Service that selects others", []string{proxied("shop/web", "app=other"), service("a", "{port: 3306, name: mysql}")}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			config, _ := build(t, tc.objects...).Compile(parseName(t, "shop/web"))
			if diff := cmp.Diff(tc.want, config.Inbound.Waits); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestHTTPWins: a port that one Service declares HTTP and another TCP is HTTP, and the list is ascending, each port once.
func TestHTTPWins(t *testing.T) {
	ix := build(t, proxied("shop/web", "app=web"),
		"{kind: Service, metadata: {namespace: shop, name: a}, spec: {selector: {app: web}, ports: [{port: 90, name: http-b, targetPort: 9090}, {port: 80, name: http-a, targetPort: 8080}]}}",
		"{kind: Service, metadata: {namespace: shop, name: b}, spec: {selector: {app: web}, ports: [{port: 80, name: tcp, targetPort: 8080}, {port: 81, name: grpc, targetPort: 8080}]}}")
	config, _ := ix.Compile(parseName(t, "shop/web"))
	if diff := cmp.Diff([]uint16{8080, 9090}, config.Inbound.HTTPPorts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestSettingsReachProxies: what is the process's to say stands in every configuration.
func TestSettingsReachProxies(t *testing.T) {
	ix := build(t, proxied("shop/web"))
	settings := testSettings
	settings.ClusterRanges, settings.MetricsFrom, settings.AccessLogPercent = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, 25
	if change := ix.SetSettings(settings); !change.AllWorkloads || !change.AllDestinations {
		t.Errorf("announced %+v", change)
	}
	config, _ := ix.Compile(parseName(t, "shop/web"))
	want := proxyconfig.Config{
		Outbound:  proxyconfig.Outbound{ClusterRanges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		Telemetry: proxyconfig.Telemetry{AccessLogPercent: 25, MetricsFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	}
	got := proxyconfig.Config{Outbound: config.Outbound, Telemetry: config.Telemetry}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
