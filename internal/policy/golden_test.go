package policy

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/internal/proxyconfig"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden is what is compared with testdata/<case>.out.yaml: every finding, what each policy selects, the configuration of
// the workloads and the answers to the questions of the case.
type golden struct {
	Findings []string                          `json:"findings,omitempty"`
	Selected map[string]string                 `json:"selected,omitempty"`
	Configs  map[string]*proxyconfig.Config    `json:"configs,omitempty"`
	Clients  map[string]*proxyconfig.ClientTLS `json:"clients,omitempty"`
}

// questions is a document of a case: the settings, and what is asked beyond the findings.
type questions struct {
	Kind     string    `json:"kind"`
	Settings *Settings `json:"settings,omitempty"`
	// Compile lists workloads, namespace/name.
	Compile []string `json:"compile,omitempty"`
	// Clients lists `namespace/pod -> namespace/service:port`.
	Clients []string `json:"clients,omitempty"`
}

// TestGolden compiles each testdata/<case>.in.yaml. Run it with -update to accept what the compiler says now.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, in := range cases {
		out := strings.TrimSuffix(in, ".in.yaml") + ".out.yaml"
		t.Run(filepath.Base(in), func(t *testing.T) {
			text, err := os.ReadFile(in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(answer(t, string(text)))
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(out, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", out, diff)
			}
		})
	}
	outs, err := filepath.Glob("testdata/*.out.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range outs {
		if in := strings.TrimSuffix(out, ".out.yaml") + ".in.yaml"; !slices.Contains(cases, in) {
			t.Errorf("%s has no case %s: remove it", out, in)
		}
	}
}

func answer(t *testing.T, text string) golden {
	t.Helper()
	var ask questions
	ix := NewIndex(testSettings)
	load(t, ix, text, func(_ string, document []byte) {
		ask = *decode[questions](t, document)
		if ask.Settings != nil {
			ix.SetSettings(*ask.Settings)
		}
	})
	out := golden{Selected: map[string]string{}, Configs: map[string]*proxyconfig.Config{}, Clients: map[string]*proxyconfig.ClientTLS{}}
	for _, f := range ix.AllFindings() {
		out.Findings = append(out.Findings, strings.Join([]string{string(f.Severity), string(f.Reason), f.Object.String(), f.Field + ": " + f.Message}, " "))
	}
	for _, object := range ix.state.allPolicies() {
		names := ix.SelectedWorkloads(object)
		texts := make([]string, len(names))
		for i, n := range names {
			texts[i] = n.String()
		}
		out.Selected[object.String()] = strings.Join(texts, ", ")
	}
	for _, name := range ask.Compile {
		config, known := ix.Compile(parseName(t, name))
		if !known {
			t.Fatalf("compile: no workload %s", name)
		}
		out.Configs[name] = config
	}
	for _, question := range ask.Clients {
		from, to, _ := strings.Cut(question, " -> ")
		tls := askClient(t, ix, parseName(t, from), to)
		out.Clients[question] = &tls
	}
	return out
}

func askClient(t *testing.T, ix *Index, from types.NamespacedName, to string) proxyconfig.ClientTLS {
	t.Helper()
	client, known := ix.Workload(from)
	if !known {
		t.Fatalf("clients: no workload %s", from)
	}
	return ix.Client(client, destination(t, ix, to))
}
