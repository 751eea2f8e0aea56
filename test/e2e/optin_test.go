package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

// TestLabelsDecideWhoTakesPart: the namespace's label and the pod's, one without the other and against each other.
func TestLabelsDecideWhoTakesPart(t *testing.T) {
	t.Parallel()
	const (
		optedOut      = naming.LabelInjection + "=" + naming.InjectionDisabled
		podIn, podOut = naming.LabelInject + "=" + naming.InjectTrue, naming.LabelInject + "=" + naming.InjectFalse
		podNone       = naming.LabelDataPlane + "=" + naming.DataPlaneNone
	)
	for i, test := range []struct {
		name      string
		namespace []string
		pod       string
		proxied   bool
		refusal   string // part of what kubectl says where the pod is refused
	}{
		{name: "nobody said anything"},
		{name: "the pod opts in by itself", pod: podIn, proxied: true},
		{name: "the namespace opts in", namespace: []string{optedIn}, proxied: true},
		{name: "the pod opts out of its namespace's choice", namespace: []string{optedIn}, pod: podOut},
		{name: "the namespace opts out, which wins over the pod", namespace: []string{optedOut}, pod: podIn},
		{name: "the pod does TLS itself", namespace: []string{optedIn}, pod: podNone},
		{name: "the pod says what nobody understands", namespace: []string{optedIn}, pod: naming.LabelInject + "=maybe", refusal: "maybe"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, fmt.Sprintf("e2e-optin-%d", i), test.namespace...)
			p.account("default")
			err := p.tryApply(pod("app", test.pod, ""))
			switch {
			case test.refusal != "":
				if err == nil || !strings.Contains(err.Error(), test.refusal) {
					t.Errorf("the pod was not refused for %q: %v", test.refusal, err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if got := p.proxied("app"); got != test.proxied {
				t.Errorf("it has a proxy: %t, want %t", got, test.proxied)
			}
			if mounted := strings.Contains(p.kubectl("get", "pod", "app", "--output=yaml"), naming.TLSDir); mounted != (test.proxied || test.pod == podNone) {
				t.Errorf("an identity is mounted: %t", mounted)
			}
		})
	}
}

// TestAPodThatWasThereBeforeItsNamespaceOptedInIsReported, and is no longer once it is replaced.
func TestAPodThatWasThereBeforeItsNamespaceOptedInIsReported(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "e2e-late")
	p.account("default")
	p.apply(pod("early", "", ""))
	p.wait("condition=Ready", "pod/early")
	p.kubectl("label", "namespace", p.name, optedIn)
	p.reported("early", "NotInjected")
}

// reported waits for an event about the pod.
func (p *place) reported(pod, reason string) {
	p.t.Helper()
	p.eventually("an event about "+pod, func() error {
		out, err := p.try("get", "events", "--field-selector=involvedObject.name="+pod, "--output=jsonpath={range .items[*]}{.reason}: {.message}{\"\\n\"}{end}")
		if err == nil && !strings.Contains(out, reason+": ") {
			return fmt.Errorf("none is of %s: %s", reason, out)
		}
		return err
	})
}

// account waits for a ServiceAccount, without which pods of a new namespace are refused.
func (p *place) account(name string) {
	p.t.Helper()
	p.eventually("ServiceAccount "+name, func() error {
		_, err := p.try("get", "serviceaccount", name)
		return err
	})
}

// proxied tells whether the pod has a proxy.
func (p *place) proxied(pod string) bool {
	p.t.Helper()
	names := p.kubectl("get", "pod", pod, "--output=jsonpath={.spec.initContainers[*].name}")
	return strings.Contains(names, naming.ContainerProxy)
}

// pod is a pod with one label, if any, and lines of YAML with more of its spec, or with other containers.
func pod(name, label, spec string) string {
	text := "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\n"
	if key, value, found := strings.Cut(label, "="); found {
		text += fmt.Sprintf("  labels: {%s: %q}\n", key, value)
	}
	text += "spec:\n  terminationGracePeriodSeconds: 2\n"
	if !strings.HasPrefix(spec, "  containers:") {
		text += `  containers: [{name: app, image: "localhost/warifu/hello:0.1.0", args: [wait]}]` + "\n"
	}
	return text + spec + "\n"
}
