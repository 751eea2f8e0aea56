package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestThePodHasItsNetworkFromItsFirstContainerToItsLastWord: init containers, hooks and what an application does when it is
// told to end all reach others with the pod's identity, and the pod ends well before its grace period does.
func TestThePodHasItsNetworkFromItsFirstContainerToItsLastWord(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "e2e-shutdown", optedIn)
	p.applyFile("shutdown.yaml")
	p.wait("condition=Ready", "pod/witness", "pod/leaver")
	began := time.Now()
	p.kubectl("delete", "pod", "leaver")
	took := time.Since(began)
	var asked []string
	for line := range strings.Lines(p.kubectl("logs", "witness", "--container=app")) {
		if path := strings.TrimPrefix(strings.TrimSpace(line), "GET "); path != "/ready" {
			asked = append(asked, path)
		}
	}
	want := []string{"/from-init", "/post-start", "/pre-stop", "/farewell"}
	if !slices.Equal(asked, want) {
		t.Errorf("the witness was asked for %q, want %q", asked, want)
	}
	if took > 25*time.Second {
		t.Errorf("it took %s to end, nearly the whole grace period: somebody was killed", took)
	}
}
