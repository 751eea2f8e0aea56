package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestModes is the table of effective modes: what holds for pod shop/web (app=web), by default and on listed ports.
func TestModes(t *testing.T) {
	t.Parallel()
	const (
		strict     = "{mtls: {mode: STRICT}}"
		permissive = "{mtls: {mode: PERMISSIVE}}"
		disable    = "{mtls: {mode: DISABLE}}"
		unset      = "{mtls: {mode: UNSET}}"
		web        = "selector: {matchLabels: {app: web}}"
	)
	for _, tc := range []struct {
		name     string
		policies []string
		// want is "MODE by name" and "port=MODE by name" for listed ports.
		want string
	}{
		{"1 nothing anywhere", nil, "PERMISSIVE"},
		{"2 root namespace without selector is the mesh", []string{pa("warifu-system/mesh", strict)}, "STRICT by mesh"},
		{"2 empty selector too", []string{pa("warifu-system/mesh", "{selector: {}, mtls: {mode: STRICT}}")}, "STRICT by mesh"},
		{"3 namespace policy", []string{pa("shop/ns", strict)}, "STRICT by ns"},
		{"3 of another namespace", []string{pa("other/ns", strict)}, "PERMISSIVE"},
		{"4 workload policy", []string{pa("shop/wl", "{"+web+", mtls: {mode: STRICT}}")}, "STRICT by wl"},
		{"4 only in its namespace", []string{pa("other/wl", "{"+web+", mtls: {mode: STRICT}}")}, "PERMISSIVE"},
		{"4 all labels must match", []string{pa("shop/wl", "{selector: {matchLabels: {app: web, v: two}}, mtls: {mode: STRICT}}")}, "PERMISSIVE"},
		{"5 selector in the root namespace is ignored", []string{pa("warifu-system/wl", "{"+web+", mtls: {mode: STRICT}}")}, "PERMISSIVE"},
		{"6 oldest wins", []string{pa("shop/a@02", strict), pa("shop/b@01", disable)}, "DISABLE by b"},
		{"6 the whole object: UNSET is not filled in", []string{pa("warifu-system/a@02", strict), pa("warifu-system/b@01", unset)}, "PERMISSIVE"},
		{"7 equal age: first by name", []string{pa("shop/b@01", strict), pa("shop/a@01", disable)}, "DISABLE by a"},
		{"8 several selectors on one pod: the oldest alone", []string{
			pa("shop/old@01", "{"+web+", portLevelMtls: {9090: {mode: DISABLE}}}"),
			pa("shop/new@02", "{selector: {matchLabels: {v: one}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: STRICT}}}"),
		}, "PERMISSIVE 9090=DISABLE by old"},
		{"9 narrowest that is not UNSET", []string{pa("warifu-system/mesh", strict), pa("shop/ns", disable), pa("shop/wl", "{"+web+", mtls: {mode: PERMISSIVE}}")}, "PERMISSIVE by wl"},
		{"9 UNSET falls through to the namespace", []string{pa("warifu-system/mesh", strict), pa("shop/ns", disable), pa("shop/wl", "{"+web+"}")}, "DISABLE by ns"},
		{"9 UNSET falls through to the mesh", []string{pa("warifu-system/mesh", strict), pa("shop/ns", unset)}, "STRICT by mesh"},
		{"10 mesh UNSET", []string{pa("warifu-system/mesh", unset)}, "PERMISSIVE"},
		{"11 port set", []string{pa("shop/wl", "{"+web+", mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}")}, "STRICT by wl 8080=DISABLE by wl"},
		{"12 port UNSET or empty takes the workload's, by whom that was decided", []string{pa("shop/ns", strict), pa("shop/wl", "{"+web+", portLevelMtls: {8080: {mode: UNSET}, 9090: {}}}")},
			"STRICT by ns 8080=STRICT by ns 9090=STRICT by ns"},
		{"13 ports without a selector: refused, ignored", []string{pa("shop/ns", "{mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}")}, "STRICT by ns"},
		{"13 ports of the mesh", []string{pa("warifu-system/mesh", "{mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}")}, "STRICT by mesh"},
		{"what is wrong about ports is left out", []string{pa("shop/wl", "{"+web+", mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}, '09090': {mode: DISABLE}, 9091: {mode: Strict}}}")},
			"STRICT by wl 8080=DISABLE by wl"},
		{"14 other ports take the default", []string{pa("shop/wl", "{"+web+", mtls: {mode: DISABLE}, portLevelMtls: {8080: {mode: STRICT}}}")}, "DISABLE by wl 8080=STRICT by wl"},
		{"15 a port in no Service is enforced too", []string{pa("shop/wl", "{"+web+", portLevelMtls: {7: {mode: STRICT}}}")}, "PERMISSIVE 7=STRICT by wl"},
		{"17 a Service's port has no effect on its target", []string{svc("shop/web"), pa("shop/wl", "{"+web+", portLevelMtls: {80: {mode: STRICT}}}")}, "PERMISSIVE 80=STRICT by wl"},
		{"an error leaves the older winner out, too", []string{pa("shop/a@01", "{mtls: {mode: STRCT}}"), pa("shop/b@02", strict)}, "STRICT by b"},
		{"permissive narrows strict", []string{pa("warifu-system/mesh", strict), pa("shop/ns", permissive)}, "PERMISSIVE by ns"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ix := build(t, append(tc.policies, proxied("shop/web", "app=web", "v=one"))...)
			config, ok := ix.Compile(parseName(t, "shop/web"))
			if !ok {
				t.Fatal("the workload is not known")
			}
			if got := describeModes(&config.Inbound); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			// Row 16: a port that nobody mentions has the default.
			if diff := cmp.Diff(config.Inbound.Default, config.Inbound.ModeFor(1)); diff != "" {
				t.Errorf("port 1 (-default +got):\n%s", diff)
			}
		})
	}
}

func describeModes(in *proxyconfig.Inbound) string {
	var parts []string
	for _, m := range append([]proxyconfig.PortMode{in.Default}, in.Ports...) {
		text := string(m.Mode)
		if m.Port != 0 {
			text = fmt.Sprintf("%d=%s", m.Port, m.Mode)
		}
		if m.DecidedBy != nil {
			text += " by " + m.DecidedBy.Name
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

// Row 5, seen from the root namespace itself; and its policy without a selector is the mesh's, not another one of its own.
func TestModesInRootNamespace(t *testing.T) {
	ix := build(t, proxied("warifu-system/op", "app=op"),
		pa("warifu-system/mesh@02", "{mtls: {mode: STRICT}}"),
		pa("warifu-system/op@01", "{selector: {matchLabels: {app: op}}, mtls: {mode: DISABLE}}"))
	config, _ := ix.Compile(parseName(t, "warifu-system/op"))
	if got := describeModes(&config.Inbound); got != "STRICT by mesh" {
		t.Errorf("got %s", got)
	}
}

// A pod at admission has no name yet and is not in the index.
func TestCompileFor(t *testing.T) {
	ix := build(t, pa("shop/wl", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"))
	config := ix.CompileFor(Workload{Namespace: "shop", Labels: map[string]string{"app": "web"}})
	if config.Inbound.Default.Mode != proxyconfig.Strict || config.Identity != "spiffe://td/ns/shop/sa/default" {
		t.Errorf("got %+v", config)
	}
	if _, known := ix.Compile(parseName(t, "shop/none")); known {
		t.Error("a workload that nobody set is known")
	}
}
