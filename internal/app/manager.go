package app

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/webhooks"
)

// Leader election keeps its lease, and announces a new leader, in the operator's namespace. Metrics ask the API server who
// may scrape.
//
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=warifu-system,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups="",namespace=warifu-system,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// shutdownTimeout is how long requests and reconciles may take to finish when the process is asked to stop. It is less than
// the chart's grace period.
const shutdownTimeout = 20 * time.Second

// newManager is a manager without anything to manage. Its webhook server shows the certificate returned. It calls lost when
// another replica has taken the lead from it.
func newManager(o Options, c Config, lost context.CancelCauseFunc) (ctrl.Manager, *webhooks.ServingCertificate, error) {
	client := rest.CopyConfig(o.Client)
	client.QPS = -1 // the API server's priority and fairness knows better; what could flood it has a limit of its own
	known, err := newScheme()
	if err != nil {
		return nil, nil, err
	}
	// The server asks for the certificate, which is in the cache, which the manager makes, which wants the server.
	var serving *webhooks.ServingCertificate
	server := webhook.NewServer(webhook.Options{
		Host: c.Webhook.Host, Port: c.Webhook.Port,
		TLSOpts: []func(*tls.Config){func(config *tls.Config) { serving.Configure(config) }},
	})
	timeout := shutdownTimeout
	// Names of controllers must be unique in a process, for their metrics. Ours are; only a test runs two operators in one.
	skipNameValidation := true
	// Whoever does not lead fills its caches all the same, so that it can take over at once.
	enableWarmup := true
	lock, err := newLease(client, c.Namespace, lost)
	if err != nil {
		return nil, nil, err
	}
	mgr, err := ctrl.NewManager(client, ctrl.Options{
		Scheme:                              known,
		Logger:                              o.Log,
		Cache:                               cacheOptions(c.Namespace),
		WebhookServer:                       server,
		Metrics:                             metricsOptions(c.Metrics),
		HealthProbeBindAddress:              c.Health.Address,
		LeaderElection:                      c.LeaderElection.Enabled,
		LeaderElectionID:                    naming.LeaseOperator, // with a lock of our own, the name in metrics alone
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true, // main returns when the manager does, so nothing of ours writes afterwards
		GracefulShutdownTimeout:             &timeout,
		Controller:                          config.Controller{SkipNameValidation: &skipNameValidation, EnableWarmup: &enableWarmup},
	})
	if err != nil {
		return nil, nil, err
	}
	lock.announce(mgr)
	serving = webhooks.NewServingCertificate(mgr.GetCache(), c.Namespace)
	return mgr, serving, nil
}

// metricsOptions protect the endpoint unless told otherwise: metrics name the namespaces of a cluster.
func metricsOptions(m Metrics) metricsserver.Options {
	options := metricsserver.Options{BindAddress: m.Address, SecureServing: m.Secure}
	if m.Secure {
		options.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return options
}

// newScheme knows Kubernetes' kinds, ours and cert-manager's.
func newScheme() (*runtime.Scheme, error) {
	known := runtime.NewScheme()
	return known, errors.Join(scheme.AddToScheme(known), v1alpha1.AddToScheme(known), certmanagerv1.AddToScheme(known))
}
