// Package app is the operator's composition root: it reads flags and configuration file, builds everything and runs it.
package app

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/warifu/warifu/internal/version"
)

// NewCommand is the command line of the operator.
func NewCommand() *cobra.Command {
	flagged := DefaultConfig()
	var file, kubeconfig string
	cmd := &cobra.Command{
		Use:           "operator",
		Short:         "Gives workloads identities and keeps mutual TLS policies in force",
		Version:       version.String(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: false,
	}
	bind(cmd.Flags(), &flagged)
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML); a flag given as well wins over it")
	cmd.PersistentFlags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig file; without it KUBECONFIG, else the pod's own service account")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := settle(cmd.Flags(), file)
		if err != nil {
			return err
		}
		client, err := clientConfig(kubeconfig)
		if err != nil {
			return err
		}
		log, err := NewLogger(cmd.ErrOrStderr(), config.Log)
		if err != nil {
			return err
		}
		ctrl.SetLogger(log)
		klog.SetLogger(log)
		return Run(cmd.Context(), config, Options{Client: client, Log: log})
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.AddCommand(newPurgeCommand(&kubeconfig))
	return cmd
}

// bind declares the flags; their defaults are what stands in c.
func bind(fs *pflag.FlagSet, c *Config) {
	fs.StringVar(&c.Namespace, "namespace", c.Namespace, "namespace of the operator, the root namespace of the mesh (default: POD_NAMESPACE, else the pod's own)")
	fs.StringVar(&c.TrustDomain, "trust-domain", c.TrustDomain, "trust domain to serve")
	fs.StringVar(&c.ClusterDomain, "cluster-domain", c.ClusterDomain, "DNS suffix of Services")
	fs.StringVar(&c.Webhook.Host, "webhook-host", c.Webhook.Host, "address that admission is served on (default: every address)")
	fs.IntVar(&c.Webhook.Port, "webhook-port", c.Webhook.Port, "port that admission is served on")
	fs.StringVar(&c.Webhook.URL, "webhook-url", c.Webhook.URL, "URL under which the API server reaches this process, when it runs outside of the cluster")
	fs.StringSliceVar(&c.Webhook.DNSNames, "webhook-dns-names", c.Webhook.DNSNames, "further DNS names or IP addresses of the webhook's certificate")
	fs.StringVar(&c.Control.Host, "control-host", c.Control.Host, "address that the control API is served on (default: every address)")
	fs.IntVar(&c.Control.Port, "control-port", c.Control.Port, "port that the control API is served on")
	fs.StringVar(&c.Control.Address, "control-address", c.Control.Address, "HOST:PORT at which proxies find the control API, when it is not its Service")
	fs.StringVar(&c.Metrics.Address, "metrics-address", c.Metrics.Address, "address that metrics are served on; 0 serves none")
	fs.BoolVar(&c.Metrics.Secure, "metrics-secure", c.Metrics.Secure, "serve metrics over TLS, to clients that the API server lets get /metrics")
	fs.StringVar(&c.Health.Address, "health-address", c.Health.Address, "address that /healthz and /readyz are served on; 0 serves none")
	fs.BoolVar(&c.LeaderElection.Enabled, "leader-elect", c.LeaderElection.Enabled, "elect the one replica that writes")
	fs.StringVar(&c.Injection.DataPlane, "default-data-plane", c.Injection.DataPlane, "data plane where neither pod nor namespace chooses: sidecar or none")
	fs.StringVar(&c.Injection.ProxyImage, "proxy-image", c.Injection.ProxyImage, "image of the redirect and proxy containers")
	fs.StringVar((*string)(&c.Injection.ProxyImagePullPolicy), "proxy-image-pull-policy", string(c.Injection.ProxyImagePullPolicy), "pull policy of the proxy image")
	fs.Int32SliceVar(&c.Injection.ExcludableInboundPorts, "excludable-inbound-ports", c.Injection.ExcludableInboundPorts, "ports that a pod may take out of the proxy by annotation")
	fs.StringSliceVar(&c.Proxy.ClusterRanges, "proxy-cluster-ranges", c.Proxy.ClusterRanges, "ranges of addresses of Services and pods, which a proxy refuses while it cannot ask whose they are (default: the private ranges)")
	fs.IntVar(&c.Proxy.AccessLogPercent, "proxy-access-log-percent", c.Proxy.AccessLogPercent, "percentage of allowed connections and requests that proxies log; refused ones always are")
	fs.StringSliceVar(&c.Proxy.MetricsFrom, "proxy-metrics-from", c.Proxy.MetricsFrom, "ranges of addresses that may read a proxy's metrics, besides the pod's own")
	fs.DurationVar(&c.SecretDelivery.Duration, "secret-delivery", c.SecretDelivery.Duration, "how long kubelet may take to bring a changed Secret to pods that run: for so long a new root is trusted before anything is signed by it")
	fs.BoolVar(&c.AllowShortLifetimes, "allow-short-lifetimes", c.AllowShortLifetimes, "accept workload certificates that live less than 10 minutes; for tests")
	fs.StringVar(&c.Log.Level, "log-level", c.Log.Level, "debug, info, warn or error")
	fs.StringVar(&c.Log.Format, "log-format", c.Log.Format, "json or console")
}

// settle is the whole configuration: defaults, then the file, then the flags that were given.
func settle(given *pflag.FlagSet, file string) (Config, error) {
	config := DefaultConfig()
	if file != "" {
		if err := config.readFile(file); err != nil {
			return Config{}, err
		}
	}
	if err := overlay(given, &config); err != nil {
		return Config{}, err
	}
	var err error
	if config.Namespace, err = findNamespace(config.Namespace, os.Getenv, namespaceFile); err != nil {
		return Config{}, err
	}
	if err := config.Validate(); err != nil {
		return Config{}, fmt.Errorf("configuration is not valid:\n%w", err)
	}
	return config, nil
}

// overlay sets again, over what a file said, the flags that were given.
func overlay(given *pflag.FlagSet, config *Config) error {
	again := pflag.NewFlagSet("overlay", pflag.ContinueOnError)
	bind(again, config)
	var err error
	given.Visit(func(f *pflag.Flag) {
		to := again.Lookup(f.Name)
		if to == nil || err != nil {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			err = to.Value.(pflag.SliceValue).Replace(list.GetSlice())
			return
		}
		err = to.Value.Set(f.Value.String())
	})
	return err
}

// clientConfig is how the API server is reached.
func clientConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := ctrl.GetConfig()
		if err != nil {
			return nil, fmt.Errorf("no way to the API server: run in a pod, or set --kubeconfig or KUBECONFIG: %w", err)
		}
		return config, nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: %w", err)
	}
	return config, nil
}
