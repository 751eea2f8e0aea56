package page_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/testkit/page"
)

const text = "# Title\n\n```\n# a comment\nmake \\\n  all   # and more\n\nlogs |\n  jq 'select(\n    .x)' | sort\n```\n\n" +
	"```yaml\na: 1\n```\n\n- in a list\n\n  ```\n  $ one -f - <<EOF\n  ```\n"

func TestBlocks(t *testing.T) {
	got, err := page.Page{Name: "docs/x.md", Text: text}.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	want := []page.Block{
		{Page: "docs/x.md", Line: 3, Text: "# a comment\nmake \\\n  all   # and more\n\nlogs |\n  jq 'select(\n    .x)' | sort\n"},
		{Page: "docs/x.md", Line: 13, Language: "yaml", Text: "a: 1\n"},
		{Page: "docs/x.md", Line: 19, Text: "  $ one -f - <<EOF\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestABlockHasAnEnd(t *testing.T) {
	got, err := page.Page{Name: "docs/x.md", Text: "```\na\n```\n\n```\nb\n"}.Blocks()
	if err == nil || !strings.Contains(err.Error(), "docs/x.md:5") || len(got) != 1 {
		t.Errorf("%d blocks: %v", len(got), err)
	}
}

func TestCommands(t *testing.T) {
	for name, c := range map[string]struct {
		block string
		want  []page.Command
	}{
		"typed": {
			"# a comment\nmake \\\n  all   # and more\n\nlogs |\n  jq 'select(\n    .x)' | sort\nlast\n",
			[]page.Command{
				{Line: 4, Text: "make \\\n  all   # and more"},
				{Line: 7, Text: "logs |\n  jq 'select(\n    .x)' | sort"},
				{Line: 10, Text: "last"},
			},
		},
		"answered": {
			"$ one -f - <<EOF\na: 1\nEOF\ncreated\n$ two\n$ three\n# shown\n\nend\n",
			[]page.Command{
				{Line: 3, Text: "one -f - <<EOF\na: 1\nEOF", Shown: "created\n", Prompted: true},
				{Line: 7, Text: "two", Prompted: true},
				{Line: 8, Text: "three", Shown: "# shown\n\nend\n", Prompted: true},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := page.Block{Line: 2, Text: c.block}.Commands()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
