package policy

import (
	"net/netip"
	"strings"
	"testing"
)

// candidateOf reads an endpoint as tests write it: a name and words. `ready`, `serving` and `terminating` are its conditions,
// `on=` its node, `zones=` and `nodes=` its hints with `+` between them.
func candidateOf(t *testing.T, i int, text string) candidate {
	t.Helper()
	words := strings.Fields(text)
	e := &Endpoint{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}
	e.Pod.Name = words[0]
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "ready":
			e.Ready, e.Serving = true, true
		case "serving":
			e.Serving = true
		case "terminating":
			e.Terminating = true
		case "on":
			e.Node = value
		case "zones":
			e.ZoneHints = strings.Split(value, "+")
		case "nodes":
			e.NodeHints = strings.Split(value, "+")
		default:
			t.Fatalf("no use for %q", word)
		}
	}
	return candidate{netip.AddrPortFrom(e.Address, 80), e}
}

// TestChoose: the endpoints that kube-proxy 1.37 would send a client on node n1 in zone z1 to.
func TestChoose(t *testing.T) {
	here := place{node: "n1", zone: "z1"}
	for _, tc := range []struct {
		name  string
		from  place
		local bool
		all   string // separated by semicolons
		want  string
	}{
		{"all that are ready", here, false, "a ready; b; c ready; d serving", "a c"},
		{"none", here, false, "", ""},
		{"none is ready", here, false, "a; b serving; c terminating", ""},
		{"none is ready: those that end and serve", here, false, "a serving terminating; b terminating; c serving; d serving terminating", "a d"},
		{"as long as one is ready, nobody that ends", here, false, "a serving terminating; b ready", "b"},
		{"publishNotReadyAddresses makes one that ends ready", here, false, "a ready terminating; b ready", "a b"},

		{"local", here, true, "a ready on=n1; b ready on=n2; c ready", "a"},
		{"local: none is", here, true, "a ready on=n2; b ready", ""},
		{"local: the only one here is not ready", here, true, "a on=n1; b ready on=n2", ""},
		{"local: the only one here ends", here, true, "a serving terminating on=n1; b ready on=n2", "a"},
		{"local: hints do not count", here, true, "a ready on=n1 zones=z2; b ready on=n1 zones=z1", "a b"},
		{"local: the client's node is not known", place{}, true, "a ready; b ready on=n1", ""},

		{"zones", here, false, "a ready zones=z1; b ready zones=z2; c ready zones=z2+z1", "a c"},
		{"zones: one has no hint", here, false, "a ready zones=z1; b ready zones=z2; c ready", "a b c"},
		{"zones: one without hint that is not ready does not matter", here, false, "a ready zones=z1; b ready zones=z2; c", "a"},
		{"zones: none is for the client's", here, false, "a ready zones=z2; b ready zones=z3", "a b"},
		{"zones: only one that is not ready is for the client's", here, false, "a ready zones=z2; b zones=z1", "a"},
		{"zones: the client's is not known", place{node: "n1"}, false, "a ready zones=z1; b ready zones=z2", "a b"},
		{"zones: none is ready, hints do not count", here, false, "a serving terminating zones=z2; b serving terminating zones=z1", "a b"},

		{"nodes", here, false, "a ready nodes=n1; b ready nodes=n2", "a"},
		{"nodes before zones", here, false, "a ready nodes=n2 zones=z1; b ready nodes=n1 zones=z2", "b"},
		{"nodes: none is for the client's, so zones", here, false, "a ready nodes=n2 zones=z1; b ready nodes=n3 zones=z2", "a"},
		{"nodes: one has no hint, so zones", here, false, "a ready nodes=n1 zones=z2; b ready zones=z1", "b"},
		{"nodes and zones: none is near, so all", here, false, "a ready nodes=n2 zones=z2; b ready nodes=n3 zones=z3", "a b"},
		{"nodes: where an endpoint is does not count, its hint does", here, false, "a ready on=n1 nodes=n2; b ready on=n2 nodes=n1", "b"},
		{"nothing is known of the client", place{}, false, "a ready nodes=n1 zones=z1; b ready nodes=n2 zones=z2", "a b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var all []candidate
			for i, text := range strings.Split(tc.all, ";") {
				if strings.TrimSpace(text) != "" {
					all = append(all, candidateOf(t, i, text))
				}
			}
			var names []string
			for _, c := range tc.from.choose(all, tc.local) {
				names = append(names, c.endpoint.Pod.Name)
			}
			if got := strings.Join(names, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
