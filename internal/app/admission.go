package app

import (
	"errors"
	"net/url"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/warifu/warifu/controllers"
	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/version"
	"github.com/warifu/warifu/webhooks"
)

// addAdmission serves admission on every replica and has the leader keep the webhook's certificate.
func addAdmission(mgr ctrl.Manager, c Config, index *policy.Index, feed *controllers.IndexFeed) error {
	injection, err := c.injectSettings()
	if err != nil {
		return err
	}
	certificates := &webhooks.CertificateReconciler{
		Reader:    mgr.GetAPIReader(),
		Applier:   mgr.GetClient(),
		Clock:     clock.RealClock{},
		Namespace: c.Namespace,
		Options:   webhooks.CertificateOptions{Names: c.webhookNames()},
	}
	return errors.Join(
		certificates.SetupWithManager(mgr),
		webhooks.Register(mgr.GetWebhookServer(), webhooks.Options{
			Index:     index,
			Synced:    feed.Synced,
			Cached:    mgr.GetClient(),
			Live:      mgr.GetAPIReader(),
			Recorder:  mgr.GetEventRecorder(eventSource),
			Metrics:   metrics.Registry,
			Injection: injection,
			Policy:    c.policySettings(),

			AllowShortLifetimes: c.AllowShortLifetimes,
		}),
	)
}

// policySettings are what the compiler needs to know of the process.
func (c Config) policySettings() policy.Settings {
	return policy.Settings{
		RootNamespace:    c.Namespace,
		TrustDomain:      c.TrustDomain,
		ClusterDomain:    c.ClusterDomain,
		ClusterRanges:    c.Proxy.clusterRanges(),
		AccessLogPercent: c.Proxy.AccessLogPercent,
		MetricsFrom:      ranges(c.Proxy.MetricsFrom),
	}
}

// injectSettings are what injection needs to know of the process.
func (c Config) injectSettings() (inject.Settings, error) {
	control, err := c.controlIdentity()
	if err != nil {
		return inject.Settings{}, err
	}
	return inject.Settings{
		RootNamespace:          c.Namespace,
		TrustDomain:            c.TrustDomain,
		DefaultDataPlane:       c.Injection.DataPlane,
		ProxyImage:             c.Injection.ProxyImage,
		ProxyImagePullPolicy:   c.Injection.ProxyImagePullPolicy,
		ProxyResources:         c.Injection.ProxyResources,
		ControlAddress:         c.controlAddress(),
		ControlIdentity:        control.String(),
		ExcludableInboundPorts: c.Injection.excludablePorts(),
		Version:                version.String(),
	}, nil
}

// webhookNames are the names that the serving certificate must have: the Service's, the URL's and what the configuration
// adds.
func (c Config) webhookNames() []string {
	names := append(webhooks.ServiceNames(c.Namespace), c.Webhook.DNSNames...)
	if u, err := url.Parse(c.Webhook.URL); err == nil && u.Hostname() != "" {
		names = append(names, u.Hostname())
	}
	return names
}
