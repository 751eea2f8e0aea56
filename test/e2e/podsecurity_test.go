package e2e

import (
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

// TestPodSecurityLevels: data plane none takes no more than an application that keeps to restricted; the sidecar takes
// privileged, for its redirect, and says so.
func TestPodSecurityLevels(t *testing.T) {
	t.Parallel()
	const restricted = `  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: app
      image: localhost/warifu/hello:0.1.0
      args: [wait]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}`
	for _, level := range []string{"privileged", "baseline", "restricted"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "e2e-level-"+level, optedIn, "pod-security.kubernetes.io/enforce="+level)
			p.account("default")
			p.apply(pod("none", naming.LabelDataPlane+"="+naming.DataPlaneNone, restricted))
			p.wait("condition=Ready", "pod/none")
			err := p.tryApply(pod("sidecar", naming.LabelDataPlane+"="+naming.DataPlaneSidecar, restricted))
			if level != "privileged" {
				if err == nil || !strings.Contains(err.Error(), "NET_ADMIN") || !strings.Contains(err.Error(), naming.DataPlaneNone) {
					t.Errorf("the refusal does not say what is missing and the way out: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			p.wait("condition=Ready", "pod/sidecar")
		})
	}
}
