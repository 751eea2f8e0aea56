package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
)

// Validate reports everything that is wrong with the settings at once, each with its flag, its field in the configuration
// file and the way out.
func (c *Config) Validate() error {
	return errors.Join(
		c.validateNames(),
		c.validateWebhook(),
		c.validateControl(),
		address("--metrics-address (metrics.address)", c.Metrics.Address),
		address("--health-address (health.address)", c.Health.Address),
		c.validateInjection(),
		c.validateProxy(),
		c.validateSecretDelivery(),
		oneOf("--log-level (log.level)", c.Log.Level, "debug", "info", "warn", "error"),
		oneOf("--log-format (log.format)", c.Log.Format, "json", "console"),
	)
}

func (c *Config) validateSecretDelivery() error {
	if c.SecretDelivery.Duration > 0 {
		return nil
	}
	return fmt.Errorf("--secret-delivery (secretDelivery): %s: kubelet takes its time; use what its syncFrequency and the lifetime of its cache make, 2m by default", c.SecretDelivery.Duration)
}

func (c *Config) validateNames() error {
	var errs []error
	if problems := validation.IsDNS1123Label(c.Namespace); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("--namespace (namespace): %q is not a namespace: %s", c.Namespace, problems[0]))
	}
	if _, err := identity.ParseTrustDomain(c.TrustDomain); err != nil {
		errs = append(errs, fmt.Errorf("--trust-domain (trustDomain): %w: use at most 255 lower-case letters, digits, '.', '-' and '_', such as cluster.local", err))
	}
	if problems := validation.IsDNS1123Subdomain(c.ClusterDomain); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("--cluster-domain (clusterDomain): %q is not a DNS domain: %s", c.ClusterDomain, problems[0]))
	}
	return errors.Join(errs...)
}

func (c *Config) validateWebhook() error {
	var errs []error
	if c.Webhook.Port < 1 || c.Webhook.Port > 65535 {
		errs = append(errs, fmt.Errorf("--webhook-port (webhook.port): %d is not a port: use one from 1 to 65535", c.Webhook.Port))
	}
	if c.Webhook.URL != "" {
		u, err := url.Parse(c.Webhook.URL)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			errs = append(errs, fmt.Errorf("--webhook-url (webhook.url): %q is not an https URL of the form https://HOST:PORT", c.Webhook.URL))
		}
	}
	for _, name := range c.Webhook.DNSNames {
		if net.ParseIP(name) == nil && len(validation.IsDNS1123Subdomain(name)) > 0 {
			errs = append(errs, fmt.Errorf("--webhook-dns-names (webhook.dnsNames): %q is neither a DNS name nor an IP address", name))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateControl() error {
	var errs []error
	if c.Control.Port < 1 || c.Control.Port > 65535 {
		errs = append(errs, fmt.Errorf("--control-port (control.port): %d is not a port: use one from 1 to 65535", c.Control.Port))
	}
	if host, port, err := net.SplitHostPort(c.Control.Address); c.Control.Address != "" && (err != nil || host == "" || port == "") {
		errs = append(errs, fmt.Errorf("--control-address (control.address): %q is not HOST:PORT", c.Control.Address))
	}
	return errors.Join(errs...)
}

func (c *Config) validateInjection() error {
	in := c.Injection
	errs := []error{
		oneOf("--default-data-plane (injection.dataPlane)", in.DataPlane, naming.DataPlaneSidecar, naming.DataPlaneNone),
		oneOf("--proxy-image-pull-policy (injection.proxyImagePullPolicy)", string(in.ProxyImagePullPolicy),
			string(corev1.PullAlways), string(corev1.PullIfNotPresent), string(corev1.PullNever)),
	}
	if in.DataPlane == naming.DataPlaneSidecar && in.ProxyImage == "" {
		errs = append(errs, fmt.Errorf("--proxy-image (injection.proxyImage): the data plane %q needs an image: name one, or use --default-data-plane=%s",
			naming.DataPlaneSidecar, naming.DataPlaneNone))
	}
	for _, port := range in.ExcludableInboundPorts {
		if port < 1 || port > 65535 || slices.Contains(naming.ReservedPorts(), port) {
			errs = append(errs, fmt.Errorf("--excludable-inbound-ports (injection.excludableInboundPorts): %d is not a port of an application: use one from 1 to 65535 that the proxy does not use itself", port))
		}
	}
	for name, request := range in.ProxyResources.Requests {
		if limit, ok := in.ProxyResources.Limits[name]; ok && request.Cmp(limit) > 0 {
			errs = append(errs, fmt.Errorf("injection.proxyResources.requests.%s: %s is above its limit %s: lower the request or raise the limit", name, request.String(), limit.String()))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) validateProxy() error {
	p := c.Proxy
	errs := []error{
		prefixes("--proxy-cluster-ranges (proxy.clusterRanges)", p.ClusterRanges),
		prefixes("--proxy-metrics-from (proxy.metricsFrom)", p.MetricsFrom),
	}
	if p.AccessLogPercent < 0 || p.AccessLogPercent > 100 {
		errs = append(errs, fmt.Errorf("--proxy-access-log-percent (proxy.accessLogPercent): %d is not a percentage: use one from 0 to 100", p.AccessLogPercent))
	}
	return errors.Join(errs...)
}

// prefixes accepts ranges of addresses.
func prefixes(setting string, values []string) error {
	var errs []error
	for _, value := range values {
		if _, err := netip.ParsePrefix(value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is not a range of addresses: use CIDRs such as 10.0.0.0/8", setting, value))
		}
	}
	return errors.Join(errs...)
}

// address accepts HOST:PORT and :PORT, and "0" for none.
func address(setting, value string) error {
	if value == "0" {
		return nil
	}
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: %q is not an address: use HOST:PORT, :PORT, or 0 to serve nothing", setting, value)
	}
	return nil
}

// oneOf accepts the values.
func oneOf(setting, value string, values ...string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is not known: use %s", setting, value, strings.Join(values, " or "))
}
