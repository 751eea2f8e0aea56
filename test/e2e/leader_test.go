package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

// TestTheLeaderMoves: when the replica that issues certificates goes, the other one issues them.
func TestTheLeaderMoves(t *testing.T) {
	p, s := newPlace(t, "e2e-leader", optedIn), system(t)
	holder := func() (string, error) {
		return s.try("get", "lease", naming.LeaseOperator, "--output=jsonpath={.spec.holderIdentity}")
	}
	before, err := holder()
	if err != nil {
		t.Fatal(err)
	}
	leader, _, _ := strings.Cut(before, "_") // a pod's name, and what makes a process unique
	s.kubectl("delete", "pod", leader, "--wait=false")
	p.eventually("another replica leads", func() error {
		now, err := holder()
		if err == nil && (now == "" || now == before) {
			return fmt.Errorf("%q does", now)
		}
		return err
	})
	p.kubectl("create", "serviceaccount", "new")
	p.eventually("a pod is admitted", func() error { return p.tryApply(pod("app", "", "  serviceAccountName: new")) })
	p.wait("condition=Ready", "pod/app") // with the identity of an account that the former leader did not know
	s.rollout(operator)
	loadGoesOn(t)
}
