package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/version"
)

// execute runs the command line and returns what it printed.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := NewCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestVersion(t *testing.T) {
	out, err := execute(t, "--version")
	if err != nil || !strings.Contains(out, version.String()) {
		t.Errorf("got %q, %v", out, err)
	}
}

// A mistake must be told before anything is started, with the way out.
func TestMistakesAreToldAtTheStart(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string
	}{
		"an unknown flag":         {[]string{"--webhok-port=1"}, "unknown flag: --webhok-port"},
		"an argument":             {[]string{"run"}, "unknown command"},
		"an impossible setting":   {[]string{"--namespace=a", "--webhook-port=0"}, "--webhook-port (webhook.port): 0 is not a port"},
		"a missing file":          {[]string{"--config=/does/not/exist"}, "--config: open /does/not/exist"},
		"a missing kubeconfig":    {[]string{"--namespace=a", "--kubeconfig=/does/not/exist"}, "--kubeconfig: stat /does/not/exist"},
		"sidecar without a proxy": {[]string{"--namespace=a", "--default-data-plane=sidecar"}, "--proxy-image"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out, err := execute(t, tt.args...)
			if err == nil || !strings.Contains(out, tt.want) {
				t.Errorf("error %v, printed:\n%s\nwant %q", err, out, tt.want)
			}
		})
	}
}
