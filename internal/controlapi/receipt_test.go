package controlapi

import (
	"testing"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestReceipt: as much is in force as the index had taken in when nothing was on its way to the proxy; a proxy cannot say that
// it has in force, or rejects, what it was not sent.
func TestReceipt(t *testing.T) {
	var r receipt
	at := func(behind bool, version uint64) (uint64, string) {
		asOf, rejected := r.inForce(behind, proxyconfig.AsOf{"Pod": version})
		return asOf["Pod"], rejected
	}
	expect := func(what string, behind bool, observed, want uint64, reason string) {
		t.Helper()
		if got, rejected := at(behind, observed); got != want || rejected != reason {
			t.Errorf("%s: as of %d %q, want %d %q", what, got, rejected, want, reason)
		}
	}
	expect("nothing was sent", false, 1, 0, "")
	r.send(true)
	expect("nothing was acknowledged", false, 2, 0, "")
	r.take(&proxyconfig.Ask{Ack: 5})
	expect("what was not sent was acknowledged", false, 3, 0, "")
	r.take(&proxyconfig.Ask{Ack: 1})
	expect("all was acknowledged", false, 4, 4, "")
	expect("a change is on its way", true, 5, 4, "")
	r.send(true)
	r.take(&proxyconfig.Ask{Rejected: &proxyconfig.Rejection{Revision: 3, Reason: "made up"}})
	expect("what was not sent was rejected", false, 6, 4, "")
	r.take(&proxyconfig.Ask{Ack: 2, Rejected: &proxyconfig.Rejection{Revision: 2}})
	expect("it was rejected", false, 7, 4, "no reason was given")
	r.send(false)
	r.take(&proxyconfig.Ask{Ack: 3})
	expect("an address does not mend it", false, 8, 4, "no reason was given")
	r.send(true)
	r.take(&proxyconfig.Ask{Rejected: &proxyconfig.Rejection{Revision: 2, Reason: "late"}})
	r.take(&proxyconfig.Ask{Ack: 4})
	expect("the next one is in force", false, 9, 9, "")
}
