package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

// TestAReleaseComesAndGoes below pods that run: it is upgraded, rolled back, uninstalled and installed again, and they go on to
// prove who they are, with identities of the same CA.
func TestAReleaseComesAndGoes(t *testing.T) {
	p, s := newPlace(t, "e2e-release", optedIn), system(t)
	p.applyFile("services.yaml")
	p.wait("condition=Ready", "pod/client", "pod/plain", "pod/web")
	proved := "URI=" + p.identity("client")
	p.reached("http://web/", proved)
	ca := func() string { return s.kubectl("get", "secret", naming.SecretCA, "--output=jsonpath={.metadata.uid}") }
	first := ca()

	t.Log("an upgrade replaces the operator, and admits every pod meanwhile")
	p.admitsDuring("upgrade", helmArgs("upgrade", "--reuse-values", "--set", "log.level=debug")...)
	t.Log("so does the way back")
	p.admitsDuring("rollback", "rollback", release, "--namespace", naming.DefaultNamespace, "--wait", "--timeout", patience.String())
	p.reached("http://web/", proved)
	loadGoesOn(t)

	t.Log("uninstalled: who runs goes on, and nothing is injected any more")
	p.helm("uninstall", release, "--namespace", naming.DefaultNamespace, "--wait")
	p.apply(pod("unguarded", "", ""))
	p.wait("condition=Ready", "pod/unguarded")
	if p.proxied("unguarded") {
		t.Error("something was injected without a release")
	}
	p.reached("http://web/", proved)
	loadGoesOn(t)

	t.Log("installed again: the same CA, the pods that ran are told what is new, and the one that came meanwhile is reported")
	p.helm(helmArgs("install")...)
	if again := ca(); again != first {
		t.Errorf("the CA is another one: %s, before %s", again, first)
	}
	p.reported("unguarded", "NotInjected")
	p.kubectl("delete", "peerauthentication", "strict")
	p.answers("plain", "http://web/", "200 OK")
	p.apply(pod("app", "", ""))
	p.wait("condition=Ready", "pod/app")
	if !p.proxied("app") {
		t.Error("nothing was injected")
	}
	loadGoesOn(t)
}

func (p *place) helm(args ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if _, err := world.run(ctx, "", world.helm, args...); err != nil {
		p.t.Fatal(err)
	}
}

// admitsDuring runs Helm, and all the while creates pods, none of which may be refused or left alone.
func (p *place) admitsDuring(name string, args ...string) {
	p.t.Helper()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(p.t.Context(), patience)
		defer cancel()
		_, err := world.run(ctx, "", world.helm, args...)
		ended <- err
	}()
	for i := 0; ; i++ {
		select {
		case err := <-ended:
			if err != nil {
				p.t.Fatal(err)
			}
			p.t.Logf("%d pods were admitted", i)
			return
		default:
		}
		// They are not to run: the scheduler has other things to do.
		waiting := fmt.Sprintf("%s-%d", name, i)
		if err := p.tryApply(pod(waiting, "", "  schedulingGates: [{name: e2e.warifu.dev/wait}]")); err != nil {
			p.t.Fatal(err)
		}
		if !p.proxied(waiting) {
			p.t.Errorf("pod %s was left alone", waiting)
		}
	}
}
