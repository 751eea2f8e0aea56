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
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/warifu/warifu/controllers"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/version"
)

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
	server := webhook.NewServer(webhook.Options{Host: config.Webhook.Host, Port: config.Webhook.Port})
	mgr, err := newManager(o.Client, config, o.Log, server)
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	feed, err := addPolicies(mgr, config)
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	err = errors.Join(
		mgr.AddHealthzCheck("ping", healthz.Ping),
		mgr.AddReadyzCheck("index", synced(feed)),
		mgr.AddReadyzCheck("webhook", server.StartedChecker()),
	)
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	o.Log.Info("starting", "version", version.String(), "namespace", config.Namespace, "trustDomain", config.TrustDomain)
	return mgr.Start(ctx)
}

// addPolicies adds the index, which every replica has, and what the leader writes by it: the pods' modes and the policies'
// status.
func addPolicies(mgr ctrl.Manager, config Config) (*controllers.IndexFeed, error) {
	settings := policy.Settings{RootNamespace: config.Namespace, TrustDomain: config.TrustDomain, ClusterDomain: config.ClusterDomain}
	index := policy.NewIndex(settings)
	feed := controllers.NewIndexFeed(index, settings, mgr.GetCache())
	client := mgr.GetClient()
	modes := controllers.NewPodModes(client, client, index, feed, rate.NewLimiter(controllers.ModePatchRate, controllers.ModePatchBurst))
	status := &controllers.PolicyStatus{
		Reader:     client,
		Status:     client.Status(),
		Events:     mgr.GetEventRecorder(naming.FieldOwner),
		Index:      index,
		Feed:       feed,
		Deliveries: modes,
		Clock:      clock.RealClock{},
	}
	return feed, errors.Join(mgr.Add(feed), modes.SetupWithManager(mgr), status.SetupWithManager(mgr))
}

// synced is ready when the index has everything that existed at the start. Before, admission would judge by half of the
// policies.
func synced(feed *controllers.IndexFeed) healthz.Checker {
	return func(*http.Request) error {
		if !feed.Synced() {
			return errors.New("the index is not complete yet")
		}
		return nil
	}
}
