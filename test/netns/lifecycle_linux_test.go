package netns

import "testing"

// TestLifecycle: what begins, ends and changes while there is traffic breaks none of it.
//
// That a replica with frozen caches cannot take a DENY away is proven on real sockets where replicas can be frozen: see
// TestLaggingReplicaUndoesNothing of package controlapi.
func TestLifecycle(t *testing.T) {
	s := newShop(t, newWorld(t))

	t.Run("identities are renewed", s.renewal)
	t.Run("the operator is gone, and comes again", func(sub *testing.T) { s.withoutOperator(sub, t) })
	t.Run("a client is cut off from the operator", s.partitioned)
	t.Run("a pod is deleted", s.deleted)
	t.Run("a proxy is asked to end", s.drained)
}
