package e2e

import "testing"

// TestARolloutFailsNoRequest: replacing every pod of a server, twice, is not seen by a client that asks all the while, over
// kept connections and over new ones. Its init container asks as well, and may be early.
func TestARolloutFailsNoRequest(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "e2e-rollout", optedIn)
	p.applyFile("rollout.yaml")
	p.rollout("deployment/web")
	p.wait("condition=Ready", "pod/client")
	for range 2 {
		p.kubectl("rollout", "restart", "deployment/web")
		p.rollout("deployment/web")
	}
	p.left("app=web", 2) // the last word of those that were replaced counts too
	p.noneFailed("client")
}
