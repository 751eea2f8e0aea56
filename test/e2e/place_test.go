package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
)

// labelOurs is on every namespace that these tests make.
const labelOurs = "e2e.warifu.dev/test"

// optedIn is how a namespace takes part.
const optedIn = naming.LabelInjection + "=" + naming.InjectionEnabled

// place is a namespace of a test.
type place struct {
	t    *testing.T
	name string
}

// newPlace makes a namespace with the labels, which is gone after the test. When the test failed it leaves what there is to
// know about the namespace.
func newPlace(t *testing.T, name string, labels ...string) *place {
	t.Helper()
	p := &place{t, name}
	t.Cleanup(p.remove)
	p.create(labels...)
	return p
}

// remove is for the end of a test, whose own context has ended by then.
func (p *place) remove() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), patience)
	defer cancel()
	if p.t.Failed() {
		p.t.Log("what was there is in", bundle(ctx, p.t.Name(), p.name))
	}
	if _, err := world.kubectl(ctx, "", "delete", "namespace", p.name, "--wait=false"); err != nil {
		p.t.Error(err)
	}
}

func (p *place) create(labels ...string) {
	p.t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels:\n    %s: \"\"\n", p.name, labelOurs)
	for _, label := range labels {
		name, value, _ := strings.Cut(label, "=")
		fmt.Fprintf(&text, "    %s: %s\n", name, value)
	}
	p.apply(text.String())
}

// kubectl runs kubectl in the namespace; its failure is the test's.
func (p *place) kubectl(args ...string) string {
	p.t.Helper()
	out, err := p.try(args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *place) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	return world.kubectl(ctx, "", append([]string{"--namespace=" + p.name}, args...)...)
}

// apply applies objects.
func (p *place) apply(manifests string) {
	p.t.Helper()
	if err := p.tryApply(manifests); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) tryApply(manifests string) error {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	_, err := world.kubectl(ctx, manifests, "--namespace="+p.name, "apply", "--filename=-")
	return err
}

// applyFile applies a file of testdata, in which NAMESPACE stands for the namespace's name, and of the pairs one for the other.
func (p *place) applyFile(name string, pairs ...string) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		p.t.Fatal(err)
	}
	p.apply(strings.NewReplacer(append(pairs, "NAMESPACE", p.name)...).Replace(string(text)))
}

// wait waits for a condition of objects, as in kubectl wait.
func (p *place) wait(condition string, objects ...string) {
	p.t.Helper()
	p.kubectl(append([]string{"wait", "--for=" + condition, "--timeout=" + patience.String()}, objects...)...)
}

// rollout waits until all of a workload is there as it was last applied.
func (p *place) rollout(workloads ...string) {
	p.t.Helper()
	for _, w := range workloads {
		p.kubectl("rollout", "status", w, "--timeout="+patience.String())
	}
}

// left waits until so many pods are there, those that are ending included.
func (p *place) left(selector string, want int) {
	p.t.Helper()
	p.eventually("pods of "+selector, func() error {
		out, err := p.try("get", "pods", "--selector="+selector, "--output=name")
		if got := len(strings.Fields(out)); err == nil && got != want {
			return fmt.Errorf("%d are there, want %d: %s", got, want, out)
		}
		return err
	})
}

// eventually waits for what becomes true in a while.
func (p *place) eventually(what string, attempt func() error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := world.until(ctx, attempt); err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// always checks for a while that something stays true.
func (p *place) always(what string, during time.Duration, check func() error) {
	p.t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(time.Second) {
		if err := check(); err != nil {
			p.t.Fatalf("%s: %v", what, err)
		}
	}
}

// get asks from a pod of the namespace for a URL, and returns what the application there was asked, or the failure.
func (p *place) get(pod, url string) (string, error) { return p.ask(pod, "get", url) }

func (p *place) ask(pod, method, url string) (string, error) {
	return p.try("exec", pod, "--container=app", "--", "/hello", method, url)
}

// answers waits until the pod's question is answered with all of the texts. Policies take effect within a second, endpoints
// too; a wrong answer that stays fails the test.
func (p *place) answers(pod, url string, texts ...string) string {
	p.t.Helper()
	var answer string
	p.eventually(pod+" asks "+url, func() error {
		out, err := p.get(pod, url)
		answer = out // a refusal, too, may be what is expected
		for _, text := range texts {
			if !strings.Contains(out, text) {
				return fmt.Errorf("no %q in %q (%w)", text, out, orNone(err))
			}
		}
		return nil
	})
	return answer
}

// refused waits until the pod's question finds nobody who answers.
func (p *place) refused(pod, url string) {
	p.t.Helper()
	p.eventually(pod+" asks "+url+" in vain", func() error {
		out, err := p.get(pod, url)
		if err == nil {
			return fmt.Errorf("it was answered: %s", out)
		}
		for _, broken := range []string{"connection reset", "EOF", "broken pipe"} {
			if strings.Contains(out, broken) {
				return nil
			}
		}
		return err
	})
}

var errNone = fmt.Errorf("the command succeeded")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// identity is the SPIFFE ID of a ServiceAccount of the namespace.
func (p *place) identity(account string) string {
	return "spiffe://cluster.local/ns/" + p.name + "/sa/" + account
}
