package netns

import "testing"

// renewals are how often identities are renewed under load.
const renewals = 5

// renewal: identities are issued anew and delivered under load, to one end after the other, and nobody notices.
func (s *shop) renewal(t *testing.T) {
	traffic := newLoad(t, s.orders, s.address)
	for range renewals {
		s.reissue(t, "payments", "orders")
		if err := refresh(t.Context(), s.server); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the server shows its new certificate", func() error { return s.serves(t) })
		if err := refresh(t.Context(), s.orders); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the client shows its new certificate", func() error { return s.proves(t, s.orders, "orders") })
	}
	traffic.wantNoFailure(t)
}
