package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"

	"github.com/warifu/warifu/controllers"
	"github.com/warifu/warifu/internal/controlapi"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/version"
	"github.com/warifu/warifu/webhooks"
)

// eventSource is the reporting controller of our events.
const eventSource = "warifu-operator"

// Options are what Run needs besides its settings.
type Options struct {
	// Client reaches the API server.
	Client *rest.Config
	// Log is where the operator logs.
	Log logr.Logger
}

// Run runs the operator until ctx ends, and then returns nil, or until leadership is lost or a part fails, and then returns
// why. The process must end when it returns: another replica writes from then on.
func Run(ctx context.Context, config Config, o Options) error {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	mgr, serving, err := newManager(o, config, lost)
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	index := policy.NewIndex(config.policySettings())
	feed := controllers.NewIndexFeed(index, config.policySettings(), mgr.GetCache())
	census, err := addControl(mgr, config, index, feed)
	err = errors.Join(
		err,
		mgr.Add(feed),
		addPolicies(mgr, index, feed, census),
		addIdentities(mgr, config),
		addAdmission(mgr, config, index, feed),
		addReports(mgr, config, index, feed),
		addChecks(mgr, feed, serving),
	)
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	o.Log.Info("starting", "version", version.String(), "namespace", config.Namespace, "trustDomain", config.TrustDomain)
	return lead(ctx, mgr)
}

// addPolicies adds what the leader writes by the index: the pods' modes and the policies' status.
func addPolicies(mgr ctrl.Manager, index *policy.Index, feed *controllers.IndexFeed, census *controlapi.Census) error {
	client := mgr.GetClient()
	modes := controllers.NewPodModes(client, client, index, feed, rate.NewLimiter(controllers.ModePatchRate, controllers.ModePatchBurst))
	status := &controllers.PolicyStatus{
		Reader:     client,
		Status:     client.Status(),
		Events:     mgr.GetEventRecorder(eventSource),
		Index:      index,
		Feed:       feed,
		Deliveries: modes,
		Proxies:    census,
		Clock:      clock.RealClock{},
	}
	return errors.Join(modes.SetupWithManager(mgr), status.SetupWithManager(mgr))
}

// addIdentities adds the leader's work on the TrustDomain and on identities.
func addIdentities(mgr ctrl.Manager, config Config) error {
	return controllers.SetupIdentities(mgr, controllers.IdentityOptions{
		TrustDomain:         identity.TrustDomain(config.TrustDomain),
		Namespace:           config.Namespace,
		AllowShortLifetimes: config.AllowShortLifetimes,
		SecretDelivery:      config.SecretDelivery.Duration,
	})
}

// addReports adds what looks for trouble and only tells of it.
func addReports(mgr ctrl.Manager, config Config, index *policy.Index, feed *controllers.IndexFeed) error {
	injection, err := config.injectSettings()
	if err != nil {
		return err
	}
	return errors.Join(
		mgr.Add(controllers.NewFindingCounts(index, feed)),
		controllers.SetupUninjected(mgr, controllers.UninjectedOptions{Injection: injection}),
		controllers.SetupNamespaceLabels(mgr),
	)
}

// addChecks says when a replica is ready: it knows all policies, or admission would judge by half of them, and serves with a
// certificate that the API server trusts.
func addChecks(mgr ctrl.Manager, feed *controllers.IndexFeed, serving *webhooks.ServingCertificate) error {
	started := mgr.GetWebhookServer().StartedChecker() // shakes hands, so the certificate comes first
	return errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("index", func(*http.Request) error {
			if !feed.Synced() {
				return errors.New("the index is not complete yet")
			}
			return nil
		}),
		mgr.AddReadyzCheck("webhook", func(r *http.Request) error {
			if err := serving.Ready(r.Context()); err != nil {
				return err
			}
			return started(r)
		}),
	)
}
