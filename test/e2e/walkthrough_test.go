package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWalkthrough is what a newcomer sees: the walkthrough's own objects, and the same answers from warifu explain.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	shop, street := newPlace(t, "e2e-shop", optedIn), newPlace(t, "e2e-street")
	text, err := os.ReadFile(filepath.Join(world.root, "hack", "cluster", "hello", "walkthrough.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, objects, found := strings.Cut(string(text), "kind: ServiceAccount") // what comes before are the namespaces, which are there
	if !found {
		t.Fatal("the walkthrough has another form")
	}
	objects = strings.NewReplacer("namespace: shop", "namespace: "+shop.name, "namespace: street", "namespace: "+street.name).Replace(objects)
	if err := shop.applyAnywhere("apiVersion: v1\nkind: ServiceAccount" + objects); err != nil {
		t.Fatal(err)
	}
	shop.rollout("deployment/web")
	shop.wait("condition=Ready", "pod/customer")
	street.wait("condition=Ready", "pod/passer-by")
	w := walkthrough{shop: shop, street: street, url: "http://web." + shop.name + "/"}

	t.Log("without a policy everybody is answered")
	street.answers("passer-by", w.url, "200 OK")
	w.explains("none", "allowed")

	t.Log("STRICT: who proves nothing is reset, who proves an identity is named to the application")
	shop.applyFile("policies.yaml")
	street.refused("passer-by", w.url)
	shop.answers("customer", w.url, "200 OK", "X-Forwarded-Client-Cert: ", "URI="+shop.identity("customer"), "By="+shop.identity("web"))
	w.explains("none", "refused")
	w.explains(shop.name+"/customer", "allowed")

	t.Log("DestinationRule DISABLE: a client that is told not to prove itself is refused like one that cannot")
	shop.apply(destinationRule("web."+shop.name+".svc.cluster.local", "DISABLE"))
	shop.refused("customer", w.url)
	w.explains(shop.name+"/customer", "refused")
	shop.kubectl("delete", "destinationrule", "web")
	shop.answers("customer", w.url, "200 OK")

	t.Log("AuthorizationPolicy: the wrong ServiceAccount is denied, the right one is not")
	shop.apply(allowOnly("cluster.local/ns/" + shop.name + "/sa/owner"))
	shop.answers("customer", w.url, "403 Forbidden", "RBAC: access denied")
	w.explains(shop.name+"/customer", "denied")
	shop.apply(allowOnly("cluster.local/ns/" + shop.name + "/sa/customer"))
	shop.answers("customer", w.url, "200 OK")
	w.explains(shop.name+"/customer", "allowed")
}

type walkthrough struct {
	shop, street *place
	url          string
}

// explains checks what warifu explain says about the same question.
func (w walkthrough) explains(from, want string) {
	w.shop.t.Helper()
	out, err := world.run(w.shop.t.Context(), "", world.warifu, "explain", "--from="+from, "--to="+w.shop.name+"/web:80", "--method=GET", "--path=/")
	if err != nil {
		w.shop.t.Fatal(err)
	}
	w.shop.t.Log(out)
	if !strings.Contains(strings.ToLower(out), want) {
		w.shop.t.Errorf("warifu explain --from=%s does not say %q:\n%s", from, want, out)
	}
}

// applyAnywhere applies objects that say themselves where they belong.
func (p *place) applyAnywhere(manifests string) error {
	_, err := world.kubectl(p.t.Context(), manifests, "apply", "--filename=-")
	return err
}

func destinationRule(host, mode string) string {
	return `apiVersion: warifu.dev/v1alpha1
kind: DestinationRule
metadata: {name: web}
spec:
  host: ` + host + `
  trafficPolicy:
    tls: {mode: ` + mode + `}
`
}

// allowOnly is the policy that lets one identity ask web.
func allowOnly(principal string) string {
	return `apiVersion: warifu.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: web}
spec:
  selector:
    matchLabels: {app: web}
  action: ALLOW
  rules:
    - from:
        - source:
            principals: [` + principal + `]
`
}
