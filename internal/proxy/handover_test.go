package proxy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"

	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/testkit/ca"
)

// What rounds are made for: how late kubelet may bring a certificate to a pod after all have been issued, and how long the
// operator has the former CA trusted then.
const (
	delivered  = 90 * time.Second
	notTrusted = 120 * time.Second
)

// TestHandover: rounds begin when another CA has signed, and not otherwise.
func TestHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := ca.New(t), ca.New(t)
		both := ca.Bundle(t, first, second)
		const id = "spiffe://cluster.local/ns/shop/sa/cart"
		steps := []struct {
			name     string
			material *mtls.Material
			rounds   bool
		}{
			{"the first certificate", &mtls.Material{Certificate: first.Sign(t, ca.Template(id)), Bundle: ca.Bundle(t, first)}, false},
			{"renewed", &mtls.Material{Certificate: first.Sign(t, ca.Template(id)), Bundle: ca.Bundle(t, first)}, false},
			{"another CA is trusted, too", &mtls.Material{Certificate: first.Sign(t, ca.Template(id)), Bundle: both}, false},
			{"another CA has signed", &mtls.Material{Certificate: second.Sign(t, ca.Template(id)), Bundle: both}, true},
			{"the former is not trusted any more", &mtls.Material{Certificate: second.Sign(t, ca.Template(id)), Bundle: ca.Bundle(t, second)}, false},
		}
		made := 0
		h := newHandover(logr.Discard(), func() int { made++; return 1 })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go h.run(ctx)
		for _, step := range steps {
			made = 0
			h.renewed(step.material)
			time.Sleep(2 * lastRound)
			synctest.Wait()
			if (made > 0) != step.rounds {
				t.Errorf("%s: %d rounds", step.name, made)
			}
		}
	})
}

// TestRoundsMeetTheMoment: whenever a pod gets its certificate, there is a round when all peers have theirs and the former CA is
// still trusted, with time to spare for what is under way.
func TestRoundsMeetTheMoment(t *testing.T) {
	for own := time.Duration(0); own <= delivered; own += time.Second {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			met := false
			h := newHandover(logr.Discard(), func() int {
				since := own + time.Since(begin)
				met = met || since > delivered && since < notTrusted-time.Second
				return 0
			})
			h.rounds(t.Context())
			if !met {
				t.Errorf("no round, with the own certificate after %s", own)
			}
		})
	}
}
