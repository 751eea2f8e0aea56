package netns

import (
	"fmt"
	"testing"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/kubelet"
)

// rules: what a rule says of peers holds for a peer of whom nothing is known, and a dot in a name is a dot.
func (a *arena) rules(t *testing.T) {
	for _, tc := range []struct {
		who  string
		from *kubelet.Pod
		// Statuses of paths, and whether ports answer.
		members, neighbours string
		membersTCP, echo    bool
	}{
		{"orders", a.orders, "200", "200", true, true},
		{"guest", a.guest, "403", "200", false, false},
		{"nobody", a.stranger, "403", "403", false, true},
	} {
		for protocol, say := range a.protocols() {
			if got := say(t, tc.from, forged{path: "/members"}); got != tc.members {
				t.Errorf("notPrincipals, %s, %s: got %q", tc.who, protocol, got)
			}
			if got := say(t, tc.from, forged{path: "/neighbours"}); got != tc.neighbours {
				t.Errorf("notNamespaces, %s, %s: got %q", tc.who, protocol, got)
			}
		}
		if err := echo(a.call(t, tc.from, witnessMembers), "members"); (err == nil) != tc.membersTCP {
			t.Errorf("notPrincipals on TCP, %s: %v", tc.who, err)
		}
		if err := echo(a.call(t, tc.from, appEcho), "suffix"); (err == nil) != tc.echo {
			t.Errorf("*/sa/guest on TCP, %s: %v", tc.who, err)
		}
	}
	for account, served := range map[string]bool{"cert-manager.io": true, "cert-managerXio": false, "cert-managerxio": false, "cert-manager.iox": false} {
		certificate := a.genuine(t, a.id(account))
		if err := a.present(t, witnessIssuer, shows(certificate, naming.ALPN), nil); (err == nil) != served {
			t.Errorf("ServiceAccount %s: %v", account, err)
		}
	}
	elsewhere := a.genuine(t, fmt.Sprintf("spiffe://cluster.local/ns/x%s/sa/cert-manager.io", a.namespace))
	if a.present(t, witnessIssuer, shows(elsewhere, naming.ALPN), nil) == nil {
		t.Error("a ServiceAccount of the name in another namespace is let in")
	}
	a.witness.take()
}
