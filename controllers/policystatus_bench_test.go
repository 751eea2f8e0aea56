package controllers

import (
	"strconv"
	"testing"

	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// BenchmarkMeshWideStatus is what a change to one of 10,000 pods costs each policy that selects them all.
func BenchmarkMeshWideStatus(b *testing.B) {
	r, _, _ := newStatusTest(1)
	for i := range 10_000 {
		p := injectedPod("x"+strconv.Itoa(i), nil)
		r.Index.SetWorkload(policy.WorkloadOf(p))
		r.Feed.observe("Pod", p, &policy.Change{})
	}
	for b.Loop() {
		if reach := r.reach(proxyconfig.ObjectRef{Kind: "PeerAuthentication", Namespace: "shop", Name: "a"}); reach.Untold != 10_000 {
			b.Fatalf("%+v", reach)
		}
	}
}
