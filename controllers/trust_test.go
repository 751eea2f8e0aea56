package controllers

import (
	"testing"
	"time"

	"github.com/warifu/warifu/internal/pki"
)

// TestSigningWaitsForDelivery: the next CA signs when kubelet has had its time since the last identity was told of it, and that
// time begins anew when one was not.
func TestSigningWaitsForDelivery(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const most = DefaultSecretDelivery
	for name, tc := range map[string]struct {
		decided  pki.Trust
		delivery time.Duration
		after    time.Duration // since every identity trusts the CA
		want     bool
	}{
		"at once":                        {pki.Trust{}, most, 0, false},
		"a second too early":             {pki.Trust{}, most, most - time.Second, false},
		"in time":                        {pki.Trust{}, most, most, true},
		"no pod runs":                    {pki.Trust{}, 0, rotationPoll, true},
		"no pod runs, in the same look":  {pki.Trust{}, 0, 0, false},
		"somebody does not trust it yet": {pki.Trust{Untold: 1}, most, most, false},
		"it signs already":               {pki.Trust{Established: true}, most, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			change := &trust{}
			change.maySign(pki.Trust{}, begin, tc.delivery)
			if got := change.maySign(tc.decided, begin.Add(tc.after), tc.delivery); got != tc.want {
				t.Errorf("it may sign: %t, want %t", got, tc.want)
			}
			if tc.decided.Untold > 0 && change.maySign(pki.Trust{}, begin.Add(tc.after+time.Second), tc.delivery) {
				t.Error("the time did not begin anew")
			}
		})
	}
}
