package policy

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// What a Service says about a port counts only as long as the Service is there.
func TestPortIsTCPWithoutItsService(t *testing.T) {
	ix := build(t, proxied("shop/web-0", "app=web"), svc("shop/web"), ap("shop/a", "{rules: [{to: [{operation: {methods: [GET]}}]}]}"))
	want := func(reasons ...Reason) {
		t.Helper()
		if got := reasonsOf(ix, ref(ap, "shop/a")); !slices.Equal(got, reasons) {
			t.Errorf("got %v, want %v", got, reasons)
		}
	}
	want()
	ix.Delete(KindService, types.NamespacedName{Namespace: "shop", Name: "web"})
	want(ReasonVanishesOnTCP)
	load(t, ix, svc("shop/web"), nil)
	want()
}

// A folder without Pods, Services or Namespaces says nothing about which exist.
func TestNothingIsMissingInAnEmptyCluster(t *testing.T) {
	ix := build(t,
		pa("shop/p", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"),
		ap("shop/a", "{selector: {matchLabels: {app: web}}, rules: [{from: [{source: {namespaces: [elsewhere]}}]}]}"),
		dr("shop/r", "{host: web, exportTo: [elsewhere], "+tlsDisable+"}"))
	if found := ix.AllFindings(); len(found) > 0 {
		t.Errorf("got %v", found)
	}
	// The first of each kind makes the others missing.
	for _, step := range []struct {
		document string
		object   proxyconfig.ObjectRef
		want     []Reason
	}{
		{"{kind: Namespace, metadata: {name: shop}}", ref(ap, "shop/a"), []Reason{ReasonUnknownNamespace}},
		{proxied("shop/x", "app=x"), ref(pa, "shop/p"), []Reason{ReasonSelectsNothing}},
		{svc("shop/x"), ref(dr, "shop/r"), []Reason{ReasonUnknownNamespace, ReasonUnknownService}},
	} {
		load(t, ix, step.document, nil)
		got := reasonsOf(ix, step.object)
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			t.Errorf("after %s: %s has %v, want %v", step.document, step.object, got, step.want)
		}
	}
}

func reasonsOf(ix *Index, object proxyconfig.ObjectRef) []Reason {
	var out []Reason
	for _, f := range ix.Findings(object) {
		out = append(out, f.Reason)
	}
	return out
}

// A DestinationRule of the client's namespace without tls hides the root namespace's; one that sets tls does not.
func TestDropsTLSOfTheRootNamespace(t *testing.T) {
	for spec, want := range map[string][]Reason{
		"{host: web}":                     {ReasonDropsTLS},
		"{host: '*'}":                     {ReasonDropsTLS},
		"{host: web, " + tlsDisable + "}": nil,
		"{host: 10.0.0.1}":                nil,
	} {
		ix := build(t, dr("warifu-system/all", "{host: '*', "+tlsMutual+"}"), dr("shop/r", spec))
		if got := reasonsOf(ix, ref(dr, "shop/r")); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", spec, got, want)
		}
	}
}
