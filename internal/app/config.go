package app

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/controllers"
	"github.com/warifu/warifu/internal/naming"
)

// Config is the settings of the operator's process: flags, or the file named by --config. Whatever describes trust stands
// in the TrustDomain object instead, where it has a status.
type Config struct {
	// Namespace is the operator's own; it is the root namespace of the mesh.
	Namespace string `json:"namespace,omitempty"`
	// TrustDomain that this operator serves; its TrustDomain object has this name.
	TrustDomain string `json:"trustDomain,omitempty"`
	// ClusterDomain is the DNS suffix of Services.
	ClusterDomain string `json:"clusterDomain,omitempty"`

	Webhook        Webhook        `json:"webhook,omitempty"`
	Control        Control        `json:"control,omitempty"`
	Metrics        Metrics        `json:"metrics,omitempty"`
	Health         Health         `json:"health,omitempty"`
	LeaderElection LeaderElection `json:"leaderElection,omitempty"`
	Injection      Injection      `json:"injection,omitempty"`
	Proxy          Proxy          `json:"proxy,omitempty"`
	Log            Log            `json:"log,omitempty"`

	// SecretDelivery is how long kubelet may take to bring a changed Secret to the pods that run: the time for which a new root
	// is trusted before anything is signed by it.
	SecretDelivery metav1.Duration `json:"secretDelivery,omitzero"`
	// AllowShortLifetimes accepts workload certificates that live less than ten minutes. For tests: kubelet needs up to 90 s to
	// deliver a renewed Secret.
	AllowShortLifetimes bool `json:"allowShortLifetimes,omitempty"`
}

// Webhook is where admission is served.
type Webhook struct {
	// Host to listen on; empty is every address.
	Host string `json:"host,omitempty"`
	Port int    `json:"port,omitempty"`
	// URL under which the API server reaches this process, such as https://127.0.0.1:9443, where it is not behind the
	// webhook's Service: outside of the cluster.
	URL string `json:"url,omitempty"`
	// DNSNames are further names (or IP addresses) of the serving certificate, besides the Service's and the URL's.
	DNSNames []string `json:"dnsNames,omitempty"`
}

// Control is where proxies are served: the control API.
type Control struct {
	// Host to listen on; empty is every address.
	Host string `json:"host,omitempty"`
	Port int    `json:"port,omitempty"`
	// Address is host:port as proxies are told, where it is not the control API's Service: outside of the cluster.
	Address string `json:"address,omitempty"`
}

// Metrics is where Prometheus scrapes.
type Metrics struct {
	// Address to listen on; "0" serves none.
	Address string `json:"address,omitempty"`
	// Secure serves over TLS, to clients that the API server authenticates and authorises (get on /metrics).
	Secure bool `json:"secure"`
}

// Health is where kubelet probes: /healthz and /readyz.
type Health struct {
	// Address to listen on; "0" serves none.
	Address string `json:"address,omitempty"`
}

// LeaderElection chooses the one replica that writes.
type LeaderElection struct {
	Enabled bool `json:"enabled"`
}

// Injection is what pods are given.
type Injection struct {
	// DataPlane holds where neither the pod nor its namespace chooses: sidecar or none.
	DataPlane string `json:"dataPlane,omitempty"`
	// ProxyImage of the redirect and proxy containers; needed for the data plane sidecar.
	ProxyImage           string                      `json:"proxyImage,omitempty"`
	ProxyImagePullPolicy corev1.PullPolicy           `json:"proxyImagePullPolicy,omitempty"`
	ProxyResources       corev1.ResourceRequirements `json:"proxyResources,omitempty"`
	// ExcludableInboundPorts are the ports that a pod may take out of the proxy by annotation.
	ExcludableInboundPorts []int32 `json:"excludableInboundPorts,omitempty"`
}

// Proxy is what every proxy is told, besides policies.
type Proxy struct {
	// ClusterRanges are where Services and pods have their addresses; empty: the private ranges. A proxy that cannot ask
	// whose an address is refuses it when it is in one of them, and lets it pass otherwise.
	ClusterRanges []string `json:"clusterRanges,omitempty"`
	// AccessLogPercent of the allowed connections and requests are logged; refused ones always are.
	AccessLogPercent int `json:"accessLogPercent"`
	// MetricsFrom are the ranges of addresses that may read a proxy's metrics, besides the pod's own.
	MetricsFrom []string `json:"metricsFrom,omitempty"`
}

// Log is how the process logs, on standard error.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `json:"level,omitempty"`
	// Format is json or console.
	Format string `json:"format,omitempty"`
}

// DefaultConfig is what holds without flags and file.
func DefaultConfig() Config {
	return Config{
		TrustDomain:    "cluster.local",
		ClusterDomain:  "cluster.local",
		Webhook:        Webhook{Port: 9443},
		Control:        Control{Port: naming.PortControl},
		Metrics:        Metrics{Address: ":8443", Secure: true},
		Health:         Health{Address: ":8081"},
		LeaderElection: LeaderElection{Enabled: true},
		Injection:      Injection{DataPlane: naming.DataPlaneNone, ProxyImagePullPolicy: corev1.PullIfNotPresent},
		Proxy:          Proxy{AccessLogPercent: 100},
		Log:            Log{Level: "info", Format: "json"},
		SecretDelivery: metav1.Duration{Duration: controllers.DefaultSecretDelivery},
	}
}

// readFile lays the configuration file over the config. A key that it does not know is an error: a misspelt setting must
// not be silently without effect.
func (c *Config) readFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for read := 0; ; {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("--config: %s: %w", path, err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		if read++; read > 1 {
			return fmt.Errorf("--config: %s: it has several documents: put all settings into one", path)
		}
		if err := yaml.UnmarshalStrict(document, c); err != nil {
			return fmt.Errorf("--config: %s: %w", path, err)
		}
	}
}

// namespaceFile is where Kubernetes tells a pod its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// findNamespace settles the operator's own namespace: the setting, else the environment, else the pod's own file.
func findNamespace(setting string, getenv func(string) string, file string) (string, error) {
	if setting != "" {
		return setting, nil
	}
	if ns := getenv("POD_NAMESPACE"); ns != "" {
		return ns, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("namespace is not known: set --namespace (or namespace in the configuration file, or POD_NAMESPACE) when running outside of a pod: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// excludablePorts are the ports in the type that the injector uses; Validate has checked their range.
func (i Injection) excludablePorts() []uint16 {
	ports := make([]uint16, 0, len(i.ExcludableInboundPorts))
	for _, p := range i.ExcludableInboundPorts {
		ports = append(ports, uint16(p))
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// clusterRanges are the ranges in the type that the compiler uses; Validate has checked them. Taking a private address for
// one of the cluster refuses too much while nobody can be asked; the opposite would send plaintext.
func (p Proxy) clusterRanges() []netip.Prefix {
	if len(p.ClusterRanges) > 0 {
		return ranges(p.ClusterRanges)
	}
	return ranges([]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"})
}

// ranges parses what is well-formed, in order and each once.
func ranges(texts []string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			out = append(out, prefix.Masked())
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}
