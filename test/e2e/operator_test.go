package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

const (
	operator = "deployment/warifu-operator"
	selector = "app.kubernetes.io/name=warifu" // of its pods
)

// system is the operator's namespace.
func system(t *testing.T) *place { return &place{t, naming.DefaultNamespace} }

// TestOneOperatorOfTwoIsEnough: while another takes the place of one that is killed, pods are admitted, and get what they
// need to run.
func TestOneOperatorOfTwoIsEnough(t *testing.T) {
	p, s := newPlace(t, "e2e-one-operator", optedIn), system(t)
	p.account("default")
	pods := strings.Fields(s.kubectl("get", "pods", "--selector="+selector, "--output=name"))
	if len(pods) < 2 {
		t.Fatalf("there are not two: %v", pods)
	}
	s.kubectl("delete", pods[0], "--grace-period=0", "--force")
	// It may be asked still until its Service has noticed.
	p.eventually("a pod is admitted", func() error { return p.tryApply(pod("app", "", "")) })
	p.wait("condition=Ready", "pod/app")
	s.rollout(operator)
	loadGoesOn(t)
}

// TestWithoutAnOperator: who runs goes on, who opted in waits, who did not is not concerned; and with its return all that
// waited comes.
func TestWithoutAnOperator(t *testing.T) {
	p, other, s := newPlace(t, "e2e-no-operator", optedIn), newPlace(t, "e2e-no-concern"), system(t)
	p.account("default")
	other.account("default")
	s.kubectl("scale", operator, "--replicas=0")
	t.Cleanup(func() { // the other tests need it, however this one ends
		if _, err := world.kubectl(context.WithoutCancel(t.Context()), "", "--namespace="+s.name, "scale", operator, "--replicas=2"); err != nil {
			t.Error(err)
		}
	})
	s.kubectl("delete", "pods", "--selector="+selector, "--grace-period=0", "--force")
	s.left(selector, 0)
	p.eventually("nobody answers for them any more", func() error { // their processes take their time to end
		out, err := p.try("run", "probe", "--image=localhost/warifu/hello:0.1.0", "--dry-run=server")
		if err == nil {
			return fmt.Errorf("a pod was admitted: %s", out)
		}
		return nil
	})
	p.kubectl("create", "deployment", "waits", "--image=localhost/warifu/hello:0.1.0", "--", "/hello", "wait")
	other.apply(pod("app", "", ""))
	other.wait("condition=Ready", "pod/app")
	p.eventually("the Deployment cannot make a pod", func() error {
		events := p.kubectl("get", "events", "--field-selector=reason=FailedCreate", "--output=jsonpath={.items[*].message}")
		if !strings.Contains(events, "injector."+naming.Group) {
			return fmt.Errorf("no event says so: %q", events)
		}
		return nil
	})
	if err := p.tryApply(pod("app", "", "")); err == nil {
		t.Error("a pod of a namespace that opted in was admitted by nobody")
	}
	if pods := p.kubectl("get", "pods", "--output=name"); pods != "" {
		t.Errorf("there are pods that nobody injected: %s", pods)
	}
	loadGoesOn(t)
	s.kubectl("scale", operator, "--replicas=2")
	s.rollout(operator)
	p.rollout("deployment/waits")
	names := p.kubectl("get", "pods", "--output=jsonpath={.items[*].spec.initContainers[*].name}")
	if !strings.Contains(names, naming.ContainerProxy) {
		t.Errorf("the pod that waited has no proxy: %s", names)
	}
	loadGoesOn(t)
}

// TestWithoutAnAPIServer: it is ended and comes back, and afterwards policies and pods are what they were before.
func TestWithoutAnAPIServer(t *testing.T) {
	cluster, local := world.localCluster()
	if !local {
		t.Skip("whoever runs this cluster ends its API server, not this test")
	}
	p := newPlace(t, "e2e-no-api", optedIn)
	p.applyFile("services.yaml")
	p.wait("condition=Ready", "pod/client", "pod/plain", "pod/web")
	p.reached("http://web/", "URI="+p.identity("client"))
	if err := killAPIServer(cluster); err != nil {
		t.Fatal(err)
	}
	p.eventually("the API server is back", func() error {
		_, err := p.try("get", "--raw=/readyz")
		return err
	})
	p.kubectl("delete", "peerauthentication", "strict")
	p.answers("plain", "http://web/", "200 OK")
	p.eventually("a pod is admitted", func() error { return p.tryApply(pod("app", "", "")) })
	p.wait("condition=Ready", "pod/app")
	loadGoesOn(t)
}

// loadGoesOn: the load has asked on, and nothing failed.
func loadGoesOn(t *testing.T) {
	t.Helper()
	p := &place{t, nsLoad}
	before, err := world.loadOf(t.Context(), nsLoad, "deployment/client")
	if err != nil {
		t.Fatal(err)
	}
	p.eventually("the load asks", func() error {
		now, err := world.loadOf(t.Context(), nsLoad, "deployment/client")
		if err == nil && now.requests <= before.requests {
			return fmt.Errorf("%d requests still", now.requests)
		}
		return err
	})
	p.noneFailed("deployment/client")
}
