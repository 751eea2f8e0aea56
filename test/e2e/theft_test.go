package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

// TestNoPodGetsAnIdentityThatIsNotItsOwn: every way to another ServiceAccount's key, or past the proxy, is closed by the API
// server itself, in namespaces that opted in and in those that did not; an administrator is no exception.
func TestNoPodGetsAnIdentityThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	p, out := newPlace(t, "e2e-theft", optedIn), newPlace(t, "e2e-theft-outside")
	p.kubectl("create", "serviceaccount", "victim")
	for _, place := range []*place{p, out} {
		place.account("default")
		place.apply(pod("app", "", ""))
	}
	secret := naming.IdentitySecret("victim")
	container := func(more string) string {
		return `  containers: [{name: app, image: "localhost/warifu/hello:0.1.0", args: [wait], ` + more + `}]`
	}
	for name, test := range map[string]struct{ spec, policy string }{
		"a volume":           {"  volumes: [{name: stolen, secret: {secretName: " + secret + "}}]", "warifu-identity-secrets"},
		"a projected volume": {"  volumes: [{name: stolen, projected: {sources: [{secret: {name: " + secret + "}}]}}]", "warifu-identity-secrets"},
		"a pull secret":      {"  imagePullSecrets: [{name: " + secret + "}]", "warifu-identity-secrets"},
		"a variable":         {container(`env: [{name: KEY, valueFrom: {secretKeyRef: {name: ` + secret + `, key: tls.key}}}]`), "warifu-identity-secrets"},
		"all variables":      {container(`envFrom: [{secretRef: {name: ` + secret + `}}]`), "warifu-identity-secrets"},
		"an init container": {`  initContainers: [{name: first, image: "localhost/warifu/hello:0.1.0", args: [wait], envFrom: [{secretRef: {name: ` + secret + `}}]}]`,
			"warifu-identity-secrets"},
		"a container that passes for the proxy": {`  initContainers: [{name: warifu-proxy, image: "localhost/warifu/hello:0.1.0", args: [wait]}]`, "warifu-proxy-containers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, place := range []*place{p, out} {
				place.in(t).denied(test.policy, place.tryApply(pod("thief", naming.LabelInject+"="+naming.InjectFalse, test.spec)))
			}
		})
	}
	t.Run("the proxy's user", func(t *testing.T) {
		t.Parallel()
		p.in(t).denied("1774", p.tryApply(pod("thief", "", "  securityContext: {runAsUser: 1774}")))
	})
	t.Run("an ephemeral container", func(t *testing.T) {
		t.Parallel()
		profile := filepath.Join(t.TempDir(), "profile.json")
		text := `{"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "` + secret + `", "key": "tls.key"}}}]}`
		if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, place := range []*place{p, out} {
			_, err := place.try("debug", "app", "--image=localhost/warifu/hello:0.1.0", "--custom="+profile, "--", "/hello", "wait")
			place.in(t).denied("warifu-identity-secrets", err)
		}
	})
	t.Run("an exclusion that is added later", func(t *testing.T) {
		t.Parallel()
		_, err := p.try("annotate", "pod", "app", naming.AnnotationExcludeInboundPorts+"=8080")
		p.in(t).denied("warifu-pod-annotations", err)
	})
	t.Run("a note of the operator that is changed", func(t *testing.T) {
		t.Parallel()
		_, err := p.try("annotate", "--overwrite", "pod", "app", naming.AnnotationIdentity+"="+p.identity("victim"))
		p.in(t).denied("warifu-pod-annotations", err)
	})
}

// denied: the request failed for the reason of the policy, and not for another.
func (p *place) denied(why string, err error) {
	p.t.Helper()
	if err == nil || !strings.Contains(err.Error(), why) {
		p.t.Errorf("in %s: not refused by %s: %v", p.name, why, err)
	}
}
