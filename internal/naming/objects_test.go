package naming

import (
	"strings"
	"testing"
)

// TestIdentitySecret: a name is kept readable, stays within what Kubernetes accepts, and is never shared.
func TestIdentitySecret(t *testing.T) {
	if got := IdentitySecret("orders"); got != "warifu-identity-orders" {
		t.Errorf("IdentitySecret(orders) = %q", got)
	}
	fits := strings.Repeat("a", maxObjectName-len(identityPrefix))
	if got := IdentitySecret(fits); got != identityPrefix+fits {
		t.Errorf("a name that just fits was changed to %q", got)
	}
	long := strings.Repeat("a", maxObjectName-1)
	one, other := IdentitySecret(long+"b"), IdentitySecret(long+"c")
	if one == other {
		t.Errorf("two ServiceAccounts share the Secret %q", one)
	}
	for _, name := range []string{one, other} {
		if len(name) != maxObjectName || !strings.HasPrefix(name, identityPrefix) {
			t.Errorf("%q has %d characters, want %d", name, len(name), maxObjectName)
		}
	}
}
