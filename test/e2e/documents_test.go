package e2e

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/testkit/page"
	"github.com/warifu/warifu/test/e2e/documents"
)

// TestDocuments types what README.md and docs/ say, as they say it, and holds the answers against those that are shown. Pages
// have namespaces of fixed names and a policy for the whole mesh, so they come one after another, and no other test beside.
func TestDocuments(t *testing.T) {
	pages, err := page.Read(world.root)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := documents.Plan(pages)
	if err != nil {
		t.Error(err)
	}
	env := append(os.Environ(), "KUBECONFIG="+world.kubeconfig, "PATH="+programs(t)+":"+os.Getenv("PATH"))
	for _, d := range plan {
		t.Run(filepath.Base(d.Name), func(t *testing.T) {
			setUp, ok := stages[d.Name]
			if !ok {
				t.Fatalf("nobody knows what %s needs", d.Name)
			}
			r := reader{t: t, document: d.Name, env: env, words: setUp(t)}
			for _, steps := range d.Blocks {
				r.block(steps)
			}
		})
	}
	(&place{t, nsLoad}).noneFailed("deployment/client")
}

// programs is a folder with the programs that pages name.
func programs(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for name, path := range map[string]string{"kubectl": world.kubectlPath, "helm": world.helm, "warifu": world.warifu} {
		if err := os.Symlink(path, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// reader does what a page says.
type reader struct {
	t        *testing.T
	document string
	env      []string
	// words are those that stand for something else on the page.
	words map[string]string
}

// block does what one block says: what its commands leave running ends with it.
func (r reader) block(steps []documents.Step) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	shell, err := page.NewShell(ctx, world.root, r.env)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() {
		if err := shell.Close(); err != nil {
			r.t.Error(err)
		}
	}()
	for _, s := range steps {
		if s.Manifest != "" {
			r.apply(s)
		} else {
			r.command(shell, s)
		}
	}
}

// apply applies a policy, which ends with the page.
func (r reader) apply(s documents.Step) {
	r.t.Helper()
	p := &place{t: r.t}
	if err := p.applyAnywhere(s.Manifest); err != nil {
		r.t.Fatalf("%s:%d: %v", r.document, s.Line, err)
	}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.t.Context()), patience)
		defer cancel()
		if _, err := world.kubectl(ctx, s.Manifest, "delete", "--ignore-not-found", "--filename=-"); err != nil {
			r.t.Error(err)
		}
	})
}

// settle is how long it may take until the answer is the one that is shown: until a pod is ready, and a policy everywhere.
const settle = time.Minute

// changing are commands that are not typed twice: what they answer the second time is something else.
var changing = regexp.MustCompile(`^(kubectl (apply|delete|label|rollout restart)|helm|export|make) |&$`)

// ownFinding is what warifu says about these tests' certificates, and to no reader.
var ownFinding = regexp.MustCompile(`(?m)^Warning: TrustDomain cluster\.local: .* is too short: .*\n`)

// worked tells whether a command did what it is for, by its status: warifu validate ends with 1 when it finds something.
func worked(command string, status int) bool {
	return status == 0 || status == 1 && strings.HasPrefix(command, "warifu validate")
}

// beginning is what is enough to see of a long answer.
func beginning(text string) string {
	const enough = 1000
	if len(text) <= enough {
		return text
	}
	return text[:enough] + "…"
}

// command types a command, until it is answered as the page says; where the page shows no answers, until it succeeds.
func (r reader) command(shell *page.Shell, s documents.Step) {
	r.t.Helper()
	typed, shown := r.read(s.Command.Text), r.read(s.Command.Shown)
	for end := time.Now().Add(settle); ; time.Sleep(time.Second) {
		printed, status, err := shell.Run(typed)
		if err != nil {
			r.t.Fatalf("%s:%d: %v", r.document, s.Line, err)
		}
		printed = ownFinding.ReplaceAllString(printed, "")
		if s.Command.Prompted && page.Matches(shown, printed) || !s.Command.Prompted && worked(typed, status) {
			r.t.Logf("$ %s\n%s", typed, beginning(printed))
			return
		}
		if changing.MatchString(typed) || time.Now().After(end) {
			r.t.Errorf("%s:%d: %s\nThe page shows:\n%s\nIt is answered, with status %d:\n%s", r.document, s.Line, typed, shown, status, printed)
			return
		}
	}
}

// read puts what the page's words stand for in their place.
func (r reader) read(text string) string {
	for word, meant := range r.words {
		text = regexp.MustCompile(`\b`+regexp.QuoteMeta(word)+`\b`).ReplaceAllString(text, strings.ReplaceAll(meant, "$", "$$"))
	}
	return text
}
