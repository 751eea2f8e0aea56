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
	p.wait("delete", "pod", "--selector=app=web", "--field-selector=status.phase!=Running")
	p.noneFailed("client")
}
