package documents

import (
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/testkit/binaries"
	"github.com/warifu/warifu/internal/testkit/page"
)

// TestEveryBlockHasItsPlace: each is run or in a list, and the lists have nothing that is on no page.
func TestEveryBlockHasItsPlace(t *testing.T) {
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	documents, err := Plan(pages)
	if err != nil {
		t.Error(err)
	}
	if len(documents) == 0 {
		t.Error("nothing is done on any page")
	}
	for _, e := range exempt {
		if e.because == "" {
			t.Errorf("%s: %q is left alone for no reason", e.page, e.begins)
		}
	}
	for _, r := range rehearsed {
		if r.because == "" {
			t.Errorf("%q is rehearsed for no reason", r.begins)
		}
	}
}

// TestBlocksWithoutAPlace: what the lists do not know is an error, and so is what only they know.
func TestBlocksWithoutAPlace(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"another program":  {"```\nrm -r /\n```\n", `docs/x.md:2: "rm -r /"`},
		"another language": {"```console\n$ kubectl version\n```\n", "docs/x.md:1: nobody knows what to do with console"},
		"an old entry":     {"", `docs/images.md has no block that begins with "docker build" any more`},
		"an old rehearsal": {"", `no page has "helm uninstall " any more`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Plan([]page.Page{{Name: "docs/x.md", Text: c.text}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("no %q in: %v", c.want, err)
			}
		})
	}
}

func TestWhatIsRehearsed(t *testing.T) {
	text := "```\nhelm install x y\nkubectl get pods\n```\n\n```yaml\napiVersion: warifu.dev/v1alpha1\n```\n\n```yaml\na: 1\n```\n\n```promql\nup\n```\n"
	got, _ := Plan([]page.Page{{Name: "docs/x.md", Text: text}}) // of the lists nothing is on the page
	if len(got) != 1 || len(got[0].Blocks) != 2 {
		t.Fatalf("%+v", got)
	}
	typed, policy := got[0].Blocks[0], got[0].Blocks[1]
	if typed[0].Command.Text != "helm install --dry-run=server x y" || typed[1].Command.Text != "kubectl get pods" {
		t.Errorf("%+v", typed)
	}
	if policy[0].Manifest != "apiVersion: warifu.dev/v1alpha1\n" || policy[0].Line != 6 {
		t.Errorf("%+v", policy)
	}
}
