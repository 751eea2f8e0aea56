package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stages are what pages take for granted besides Warifu itself, by page: each makes it, and returns the words that stand for
// something else on the page.
var stages = map[string]func(t *testing.T) map[string]string{
	"README.md":               emptyShop,
	"docs/operations.md":      namedStage,
	"docs/images.md":          func(*testing.T) map[string]string { return map[string]string{"REGISTRY": "registry.example.com"} },
	"docs/local-cluster.md":   walkthroughStage,
	"docs/adopting.md":        adoptingStage,
	"docs/troubleshooting.md": troubleshootingStage,
}

func emptyShop(t *testing.T) map[string]string {
	newStage(t, "shop")
	return nil
}

func namedStage(t *testing.T) map[string]string {
	return map[string]string{"NAME": newPlace(t, "e2e-documents").name}
}

// walkthroughStage: the page makes what is in the namespaces.
func walkthroughStage(t *testing.T) map[string]string {
	newStage(t, "shop")
	newStage(t, "street")
	return nil
}

// adoptingStage is a cluster with traffic on it, which nothing takes part in yet.
func adoptingStage(t *testing.T) map[string]string {
	newStage(t, "shop").applyShop()
	return map[string]string{"10.244.1.23": newStreet(t).podIP("passer-by")}
}

// troubleshootingStage is a shop that takes part, with the policies of the samples, and a client that they refuse.
func troubleshootingStage(t *testing.T) map[string]string {
	p := newStage(t, "shop", optedIn)
	p.applyShop()
	for _, name := range []string{"peerauthentication.yaml", "authorizationpolicy.yaml"} {
		text, err := os.ReadFile(filepath.Join(world.root, "config", "samples", name))
		if err != nil {
			t.Fatal(err)
		}
		p.apply(string(text))
	}
	newStreet(t)
	pod := p.kubectl("get", "pods", "--selector=app=payments", "--output=jsonpath={.items[0].metadata.name}")
	return map[string]string{"NAME": pod, "CONTAINER": "payments"}
}

// applyShop makes the workloads that pages speak of.
func (p *place) applyShop() {
	p.t.Helper()
	p.applyFile("documents/shop.yaml")
	p.rollout("deployment/payments", "deployment/orders")
}

// newStreet is where a client is that takes no part, and asks the shop all the time.
func newStreet(t *testing.T) *place {
	t.Helper()
	p := newStage(t, "street")
	p.applyFile("documents/street.yaml")
	p.wait("condition=Ready", "pod/passer-by")
	return p
}

// newStage makes a namespace by the name that a page gives it, and is done with it when the page is. One that is there belongs
// to somebody, unless the cluster is the local one.
func newStage(t *testing.T, name string, labels ...string) *place {
	t.Helper()
	p := &place{t, name}
	if label, err := p.try("get", "namespace", name, "--output=jsonpath={.metadata.labels}"); err == nil {
		if _, local := world.localCluster(); !local && !strings.Contains(label, labelOurs) {
			t.Fatalf("there is a namespace %s, which a page would make: delete it, or take another cluster", name)
		}
		p.kubectl("delete", "namespace", name) // or waits until the page before is done with it
	}
	t.Cleanup(p.remove)
	p.kubectl("create", "namespace", name) // a page that applies it, without our label, leaves the label
	p.kubectl(append([]string{"label", "namespace", name, labelOurs + "="}, labels...)...)
	return p
}
