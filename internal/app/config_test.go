package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// valid is a configuration that passes, for tests to break.
func valid() Config {
	c := DefaultConfig()
	c.Namespace = "warifu-system"
	return c
}

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   []string // parts of the error; none: valid
	}{
		"the defaults":                  {change: func(*Config) {}},
		"no namespace":                  {func(c *Config) { c.Namespace = "" }, []string{"--namespace", "namespace"}},
		"a trust domain in upper case":  {func(c *Config) { c.TrustDomain = "Corp" }, []string{"--trust-domain", `"Corp"`, "lower-case"}},
		"a trust domain with a scheme":  {func(c *Config) { c.TrustDomain = "spiffe://corp" }, []string{"--trust-domain"}},
		"a cluster domain with a slash": {func(c *Config) { c.ClusterDomain = "a/b" }, []string{"--cluster-domain"}},
		"port 0":                        {func(c *Config) { c.Webhook.Port = 0 }, []string{"--webhook-port", "webhook.port", "1 to 65535"}},
		"a URL without TLS":             {func(c *Config) { c.Webhook.URL = "http://10.0.0.1" }, []string{"--webhook-url", "https://HOST:PORT"}},
		"a URL":                         {change: func(c *Config) { c.Webhook.URL = "https://127.0.0.1:9443" }},
		"an address as a name":          {change: func(c *Config) { c.Webhook.DNSNames = []string{"10.0.0.1", "a.example", "::1"} }},
		"a name with a space":           {func(c *Config) { c.Webhook.DNSNames = []string{"a b"} }, []string{"--webhook-dns-names", `"a b"`}},
		"control port 0":                {func(c *Config) { c.Control.Port = 0 }, []string{"--control-port", "control.port", "1 to 65535"}},
		"a control address alone":       {func(c *Config) { c.Control.Address = "warifu" }, []string{"--control-address", "control.address", "HOST:PORT"}},
		"metrics without a port":        {func(c *Config) { c.Metrics.Address = "localhost" }, []string{"--metrics-address", "metrics.address", ":PORT"}},
		"metrics off":                   {change: func(c *Config) { c.Metrics.Address = "0" }},
		"health on a port too high":     {func(c *Config) { c.Health.Address = ":70000" }, []string{"--health-address"}},
		"an unknown data plane":         {func(c *Config) { c.Injection.DataPlane = "ambient" }, []string{"--default-data-plane", "sidecar or none"}},
		"sidecar without an image":      {func(c *Config) { c.Injection.DataPlane = "sidecar" }, []string{"--proxy-image", "--default-data-plane=none"}},
		"sidecar with an image":         {change: func(c *Config) { c.Injection.DataPlane, c.Injection.ProxyImage = "sidecar", "warifu/proxy:1" }},
		"an unknown pull policy":        {func(c *Config) { c.Injection.ProxyImagePullPolicy = "Sometimes" }, []string{"--proxy-image-pull-policy"}},
		"excluding a proxy's port":      {func(c *Config) { c.Injection.ExcludableInboundPorts = []int32{15006} }, []string{"--excludable-inbound-ports", "15006"}},
		"a range without a length":      {func(c *Config) { c.Proxy.ClusterRanges = []string{"10.0.0.0/8", "10.0.0.0"} }, []string{"--proxy-cluster-ranges", "proxy.clusterRanges", `"10.0.0.0"`, "CIDRs"}},
		"metrics from a name":           {func(c *Config) { c.Proxy.MetricsFrom = []string{"prometheus"} }, []string{"--proxy-metrics-from", "proxy.metricsFrom", `"prometheus"`}},
		"more than all":                 {func(c *Config) { c.Proxy.AccessLogPercent = 101 }, []string{"--proxy-access-log-percent", "proxy.accessLogPercent", "0 to 100"}},
		"less than nothing":             {func(c *Config) { c.Proxy.AccessLogPercent = -1 }, []string{"--proxy-access-log-percent"}},
		"Secrets at once":               {func(c *Config) { c.SecretDelivery.Duration = 0 }, []string{"--secret-delivery", "secretDelivery", "2m"}},
		"an unknown level":              {func(c *Config) { c.Log.Level = "loud" }, []string{"--log-level", "debug or info"}},
		"an unknown format":             {func(c *Config) { c.Log.Format = "xml" }, []string{"--log-format"}},
		"two mistakes are both named": {
			func(c *Config) { c.Log.Level, c.Webhook.Port = "loud", -1 }, []string{"--log-level", "--webhook-port"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := valid()
			tt.change(&c)
			err := c.Validate()
			if (err != nil) != (len(tt.want) > 0) {
				t.Fatalf("error %v, want one: %v", err, len(tt.want) > 0)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
		})
	}
}

func TestValidateResources(t *testing.T) {
	c, err := fromYAML(t, "injection: {proxyResources: {requests: {cpu: 200m}, limits: {cpu: 100m}}}")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "injection.proxyResources.requests.cpu: 200m is above its limit 100m") {
		t.Errorf("got %v", err)
	}
}

func TestFlagsWinOverFileWinsOverDefaults(t *testing.T) {
	file := write(t, `
namespace: from-file
trustDomain: file.example
webhook: {port: 1111, dnsNames: [file.example]}
metrics: {secure: false}
injection: {excludableInboundPorts: [1, 2]}
proxy: {clusterRanges: [10.1.0.0/16], metricsFrom: [192.0.2.0/24]}
`)
	var scratch Config
	given := pflag.NewFlagSet("test", pflag.ContinueOnError)
	bind(given, &scratch)
	if err := given.Parse([]string{"--namespace=from-flag", "--excludable-inbound-ports=9090,22", "--webhook-dns-names=a,b", "--proxy-cluster-ranges=10.2.0.0/16,fd00::/8"}); err != nil {
		t.Fatal(err)
	}

	got, err := settle(given, file)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Namespace = "from-flag"
	want.TrustDomain = "file.example"
	want.Webhook.Port = 1111
	want.Webhook.DNSNames = []string{"a", "b"}
	want.Metrics.Secure = false
	want.Injection.ExcludableInboundPorts = []int32{9090, 22}
	want.Proxy = Proxy{ClusterRanges: []string{"10.2.0.0/16", "fd00::/8"}, AccessLogPercent: 100, MetricsFrom: []string{"192.0.2.0/24"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]uint16{22, 9090}, got.Injection.excludablePorts()); diff != "" {
		t.Errorf("ports -want +got:\n%s", diff)
	}
}

// TestProxySettings: what proxies are told follows the configuration, and no configuration leaves them without ranges in
// which to refuse.
func TestProxySettings(t *testing.T) {
	for name, tt := range map[string]struct {
		yaml, ranges, metrics string
		percent               int
	}{
		"by default":              {"{}", "[10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 fc00::/7]", "[]", 100},
		"an empty list":           {"proxy: {clusterRanges: []}", "[10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 fc00::/7]", "[]", 100},
		"as configured":           {"proxy: {clusterRanges: [fd00::/8, 10.1.2.3/16, 10.1.0.0/16], accessLogPercent: 1, metricsFrom: [192.0.2.7/32]}", "[10.1.0.0/16 fd00::/8]", "[192.0.2.7/32]", 1},
		"nothing allowed to logs": {"proxy: {accessLogPercent: 0}", "[10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16 fc00::/7]", "[]", 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := fromYAML(t, tt.yaml)
			if err != nil {
				t.Fatal(err)
			}
			s := c.policySettings()
			if fmt.Sprint(s.ClusterRanges) != tt.ranges || fmt.Sprint(s.MetricsFrom) != tt.metrics || s.AccessLogPercent != tt.percent {
				t.Errorf("got %v, %v, %d", s.ClusterRanges, s.MetricsFrom, s.AccessLogPercent)
			}
		})
	}
}

func TestFileRefusesWhatItDoesNotKnow(t *testing.T) {
	tests := map[string]struct{ yaml, want string }{
		"a misspelt key":  {"trustdomains: x", "trustdomains"},
		"the wrong type":  {"webhook: {port: high}", "port"},
		"the same twice":  {"namespace: a\nnamespace: b", "namespace"},
		"trust settings":  {"aliases: [old.example]", "aliases"},
		"not YAML at all": {"{", "yaml"},
		"two documents":   {"namespace: a\n---\ntrustDomain: x", "several documents"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := fromYAML(t, tt.yaml)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "--config") {
				t.Errorf("got %v, want an error that names --config and %q", err, tt.want)
			}
		})
	}
	c := DefaultConfig()
	if err := c.readFile("/does/not/exist"); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("got %v for a missing file", err)
	}
}

func TestFindNamespace(t *testing.T) {
	file := write(t, "from-pod\n")
	none := func(string) string { return "" }
	env := func(key string) string { return map[string]string{"POD_NAMESPACE": "from-env"}[key] }
	tests := map[string]struct {
		setting string
		getenv  func(string) string
		file    string
		want    string
	}{
		"the setting":     {"from-flag", env, file, "from-flag"},
		"the environment": {"", env, file, "from-env"},
		"the pod":         {"", none, file, "from-pod"},
		"nothing":         {"", none, filepath.Join(t.TempDir(), "none"), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := findNamespace(tt.setting, tt.getenv, tt.file)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == "" && (err == nil || !strings.Contains(err.Error(), "--namespace")) {
				t.Errorf("got %v, want an error that names --namespace", err)
			}
		})
	}
}

// fromYAML is the defaults under a configuration file.
func fromYAML(t *testing.T, text string) (Config, error) {
	t.Helper()
	c := valid()
	err := c.readFile(write(t, text))
	return c, err
}

// write makes a file.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
