package controllers

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// startFeed runs a feed alone, as a replica that has just started.
func startFeed(t *testing.T, c *cluster.Cluster) *IndexFeed {
	t.Helper()
	mgr, err := ctrl.NewManager(c.Config, ctrl.Options{Scheme: c.Client.Scheme(), Logger: logr.Discard(), Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	feed := NewIndexFeed(policy.NewIndex(testSettings), testSettings, mgr.GetCache())
	if err := mgr.Add(feed); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	})
	if err := feed.WaitForSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return feed
}

// TestNewReplicaReachesWhatWasDeleted: a replica that starts after a policy was deleted has never heard of the deletion, and
// yet takes in all that a proxy has seen of it.
func TestNewReplicaReachesWhatWasDeleted(t *testing.T) {
	c := cluster.Require(t)
	old := startFeed(t, c)
	ns := c.Namespace(t, nil)
	gone := peerAuthentication(ns, "gone", v1alpha1.MutualTLSStrict)
	create(t, c.Client, gone)
	if err := c.Client.Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	created := versionOf(gone)
	eventually(t, "the deletion", func(context.Context) (string, bool) {
		seen := old.AsOf()[v1alpha1.KindPeerAuthentication]
		return fmt.Sprint(seen), seen > created
	})
	seen := old.AsOf()

	fresh := startFeed(t, c)
	if own := fresh.AsOf(); own.Reaches(seen) {
		t.Logf("the new replica has heard as much by itself: %v of %v", own, seen)
	}
	eventually(t, "what was seen", func(context.Context) (string, bool) {
		return fmt.Sprintf("%v, wanted %v", fresh.AsOf(), seen), fresh.Reached(seen)
	})
	if fresh.Reached(proxyconfig.AsOf{v1alpha1.KindPeerAuthentication: 1 << 60}) {
		t.Error("the future is reached")
	}
}
