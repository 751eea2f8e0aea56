package live

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/warifu/warifu/internal/cli"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// TestFilesAreValid: the files of the demo, each by itself beside the walkthrough. That Deployments will have pods which a policy
// selects is not seen in files, so there may be warnings.
func TestFilesAreValid(t *testing.T) {
	root, err := binaries.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"strict", "no-proof", "only-courier"} {
		var out bytes.Buffer
		args := []string{"validate", "-f", filepath.Join(root, walkthrough), "-f", filepath.Join(root, file(name))}
		if code := cli.Run("warifu", args, nil, &out, &out); code != 0 {
			t.Errorf("%s: exit code %d: %s", name, code, &out)
		}
	}
}
