package policy

import (
	"fmt"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// Readers work out and keep views (identities, summaries) while a writer drops them; the race detector watches.
func TestConcurrentUse(t *testing.T) {
	ix := build(t, svc("shop/web"), pa("warifu-system/mesh", "{mtls: {mode: STRICT}}"),
		ap("shop/a", "{action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]}"))
	to := Destination{Service: types.NamespacedName{Namespace: "shop", Name: "web"}, Port: 80, Workload: types.NamespacedName{Namespace: "shop", Name: "web-0"}, WorkloadPort: 8080}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					ix.Client(Workload{Namespace: "shop"}, to)
					ix.AllFindings()
					ix.Compile(to.Workload)
					ix.Selected(ref(pa, "warifu-system/mesh"))
				}
			}
		})
	}
	for i := range 300 {
		w := Workload{Namespace: "shop", Name: fmt.Sprintf("web-%d", i%5), Labels: map[string]string{"app": "web"}, ServiceAccount: fmt.Sprint("sa", i), Proxied: true}
		ix.SetWorkload(w)
		if i%7 == 0 {
			ix.Delete(KindPod, types.NamespacedName{Namespace: "shop", Name: w.Name})
		}
	}
	close(done)
	readers.Wait()
}
