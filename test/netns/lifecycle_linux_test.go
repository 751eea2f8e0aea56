package netns

import (
	"testing"
	"time"

	"github.com/warifu/warifu/internal/app"
)

// TestLifecycle: what begins, ends and changes while there is traffic breaks none of it.
//
// That a replica with frozen caches cannot take a DENY away is proven on real sockets where replicas can be frozen: see
// TestLaggingReplicaUndoesNothing of package controlapi.
func TestLifecycle(t *testing.T) {
	// A change of the root need not wait minutes for kubelet, which the test is itself.
	s := newShop(t, newWorld(t, func(c *app.Config) { c.SecretDelivery.Duration = 5 * time.Second }))

	t.Run("identities are renewed", s.renewal)
	t.Run("a root is trusted for a while", s.additionalRoot)
	t.Run("another CA takes over", s.ownCA)
	t.Run("the operator is gone, and comes again", func(sub *testing.T) { s.withoutOperator(sub, t) })
	t.Run("a client is cut off from the operator", s.partitioned)
	t.Run("thousands of connections are idle", s.idle)
	t.Run("a client dies half-way", s.diesHalfWay)
	t.Run("a client closes its half", s.halfClose)
	t.Run("a client does not read", s.slowReader)
	t.Run("much through one connection", s.bulk)
	t.Run("a pod is deleted", s.deleted)
	t.Run("a proxy is asked to end", s.drained)
}
