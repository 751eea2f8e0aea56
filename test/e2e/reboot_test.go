package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/warifu/warifu/hack/cluster/machine"
)

// TestANodeReboots: its pods come back as what they were, and at no moment does one of them serve who proves nothing.
func TestANodeReboots(t *testing.T) {
	cluster, local := world.localCluster()
	if !local {
		t.Skip("whoever runs this cluster reboots its nodes, not this test")
	}
	nodes := strings.Fields(system(t).kubectl("get", "nodes", "--output=jsonpath={.items[*].metadata.name}"))
	if len(nodes) < 2 {
		t.Skip("the only node is the cluster: make cluster-up NODES=2 starts another one")
	}
	p, s := newPlace(t, "e2e-reboot", optedIn), system(t)
	p.applyFile("reboot.yaml", "NODE-THAT-STAYS", nodes[0], "NODE-THAT-REBOOTS", nodes[1])
	p.rollout("deployment/web")
	p.wait("condition=Ready", "pod/client", "pod/plain")
	proved := "URI=" + p.identity("client")
	p.reached("http://web/", proved)

	if err := machine.Kill(t.Context(), cluster.Folder().Process(nodes[1])); err != nil {
		t.Fatal(err)
	}
	up := make(chan error, 1)
	go func() {
		_, err := world.run(t.Context(), "", "go", "run", "./hack/cluster", "up", "-cluster", strconv.Itoa(int(cluster)))
		up <- err
	}()
	p.eventually("the server is back", func() error {
		if out, err := p.get("plain", "http://web/"); err == nil {
			t.Errorf("a client without an identity was served: %s", out)
		}
		out, err := p.get("client", "http://web/")
		if err == nil && !strings.Contains(out, proved) {
			return fmt.Errorf("it does not know who asks: %s", out)
		}
		return err
	})
	if err := <-up; err != nil {
		t.Fatal(err)
	}
	p.rollout("deployment/web")
	p.reached("http://web/", proved)
	s.rollout(operator)
	p.eventually("admission does not pause any more", func() error { return p.admitsOften() })
	loadGoesOn(t)
}

// admitsOften asks both replicas of the operator. The API server takes up to 45 s to notice that a connection to one leads nowhere
// any more (HTTP/2 pings after 30 s, and waits 15 s for the answer).
func (p *place) admitsOften() error {
	for range 6 {
		if err := p.tryApply(pod("tried", "", "")); err != nil {
			return err
		}
		if _, err := p.try("delete", "pod", "tried", "--now"); err != nil {
			return err
		}
	}
	return nil
}
