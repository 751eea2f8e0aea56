package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKubeletsProbesMeanTheSameUnderSTRICT: kubelet proves nothing, and still learns of every kind what is so.
func TestKubeletsProbesMeanTheSameUnderSTRICT(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "e2e-probes", optedIn)
	p.applyFile("probes.yaml")
	p.wait("condition=Ready", "pod", "--selector=probes=well")
	p.eventually("kubelet restarts the application that is not live", func() error {
		if restarts := p.restarts("not-live"); slices.Max(restarts) == 0 {
			return fmt.Errorf("it did not yet: %v", restarts)
		}
		return nil
	})
	// By now each of the others has been asked many times.
	p.always("probes stay as they are", 5*time.Second, func() error {
		states := p.kubectl("get", "pods", "--selector=probes", `--output=jsonpath={range .items[*]}{.metadata.labels.probes}={.status.conditions[?(@.type=="Ready")].status} {end}`)
		if strings.Contains(states, "well=False") || strings.Contains(states, "not-ready=True") {
			return fmt.Errorf("readiness is %s", states)
		}
		return nil
	})
	if restarts := p.restarts("--selector=probes"); slices.Max(restarts) != 0 {
		t.Errorf("applications that are well were restarted: %v", restarts)
	}
	p.eventually("events of all that are not ready", func() error {
		events := p.kubectl("get", "events", "--field-selector=reason=Unhealthy", "--output=jsonpath={.items[*].involvedObject.name}")
		for _, pod := range []string{"not-ready-http", "not-ready-tcp", "not-ready-grpc", "not-live"} {
			if !strings.Contains(events, pod) {
				return fmt.Errorf("none of %s in %s", pod, events)
			}
		}
		return nil
	})
}

// restarts are those of all application containers of the pods.
func (p *place) restarts(pods ...string) []int {
	p.t.Helper()
	const each = `{.status.containerStatuses[*].restartCount} `
	format := "--output=jsonpath=" + each
	if strings.HasPrefix(pods[0], "-") {
		format = "--output=jsonpath={range .items[*]}" + each + "{end}"
	}
	all := []int{0}
	for field := range strings.FieldsSeq(p.kubectl(append([]string{"get", "pod", format}, pods...)...)) {
		var n int
		if _, err := fmt.Sscan(field, &n); err != nil {
			p.t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}
