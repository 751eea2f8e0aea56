package controllers

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// TestOutageEndsSoon: after an outage of any length, whatever the number of identities, each is tried again within a minute.
func TestOutageEndsSoon(t *testing.T) {
	limiter := retries()
	for i := range 2000 {
		request := reconcile.Request{}
		request.Name = string(rune('a' + i%1000))
		for range 30 {
			if delay := limiter.When(request); delay > maxRetryDelay {
				t.Fatalf("tried again after %s", delay)
			}
		}
	}
}
