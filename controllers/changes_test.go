package controllers

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

func pod(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "shop", Name: name}
}

func ref(name string) proxyconfig.ObjectRef {
	return proxyconfig.ObjectRef{Kind: "PeerAuthentication", Namespace: "shop", Name: name}
}

func TestChangesMerge(t *testing.T) {
	c := newChanges()
	c.add(policy.Change{Policies: []proxyconfig.ObjectRef{ref("a")}, Workloads: []types.NamespacedName{pod("x")}})
	c.add(policy.Change{Policies: []proxyconfig.ObjectRef{ref("a"), ref("b")}})
	c.add(policy.Change{AllWorkloads: true})
	c.add(policy.Change{Workloads: []types.NamespacedName{pod("x"), pod("y")}})

	got, ok := c.take(t.Context())
	if !ok {
		t.Fatal("nothing to take")
	}
	if !got.allWorkloads || !got.policies.Equal(sets.New(ref("a"), ref("b"))) || !got.workloads.Equal(sets.New(pod("x"), pod("y"))) {
		t.Errorf("got %+v", got)
	}

	nothing, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if got, ok := c.take(nothing); ok {
		t.Errorf("taken twice: %+v", got)
	}
}

// A replica that does not lead takes nothing, and must not remember every pod that ever was.
func TestChangesAreBounded(t *testing.T) {
	c := newChanges()
	for i := range 5*maxPendingWorkloads + 1 {
		c.add(policy.Change{Workloads: []types.NamespacedName{pod(strconv.Itoa(i))}})
	}
	if got, ok := c.take(t.Context()); !ok || !got.allWorkloads || len(got.workloads) > maxPendingWorkloads {
		t.Errorf("all %t, and %d by name", got.allWorkloads, len(got.workloads))
	}
}

func TestEmptyChangesWakeNobody(t *testing.T) {
	c := newChanges()
	c.add(policy.Change{})
	if len(c.wake) != 0 {
		t.Error("woken for nothing")
	}
}

// Whoever adds never waits for who takes, and everything added is taken.
func TestChangesAreNotLost(t *testing.T) {
	c := newChanges()
	want := sets.New[proxyconfig.ObjectRef]()
	var adders sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		want.Insert(ref(name))
		adders.Go(func() {
			for range 1000 {
				c.add(policy.Change{Policies: []proxyconfig.ObjectRef{ref(name)}})
			}
		})
	}
	got := sets.New[proxyconfig.ObjectRef]()
	for !got.IsSuperset(want) {
		taken, ok := c.take(t.Context())
		if !ok {
			t.Fatalf("the test ended with %v", got)
		}
		got = got.Union(taken.policies)
	}
	adders.Wait()
}

func TestDeliveries(t *testing.T) {
	one := policy.Change{Workloads: []types.NamespacedName{pod("x")}}
	all := policy.Change{AllWorkloads: true}
	deliver := func(d *deliveries) { d.begin(pod("x")); d.end(pod("x"), true) }
	tests := map[string]struct {
		steps func(*deliveries)
		want  bool
	}{
		"unknown":                      {func(*deliveries) {}, false},
		"checked":                      {deliver, true},
		"found wanting":                {func(d *deliveries) { d.begin(pod("x")); d.end(pod("x"), false) }, false},
		"being checked again":          {func(d *deliveries) { deliver(d); d.begin(pod("x")) }, true},
		"checked again, found wanting": {func(d *deliveries) { deliver(d); d.begin(pod("x")); d.end(pod("x"), false) }, false},
		"changed since":                {func(d *deliveries) { deliver(d); d.invalidate(one) }, false},
		"everything changed since":     {func(d *deliveries) { deliver(d); d.invalidate(all) }, false},
		"another changed since": {func(d *deliveries) {
			deliver(d)
			d.invalidate(policy.Change{Workloads: []types.NamespacedName{pod("y")}})
		}, true},
		"overtaken by a change":            {func(d *deliveries) { d.begin(pod("x")); d.invalidate(one); d.end(pod("x"), true) }, false},
		"overtaken by a change of all":     {func(d *deliveries) { d.begin(pod("x")); d.invalidate(all); d.end(pod("x"), true) }, false},
		"overtaken, then checked in peace": {func(d *deliveries) { d.begin(pod("x")); d.invalidate(one); d.end(pod("x"), true); deliver(d) }, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDeliveries()
			tt.steps(d)
			if got := d.has(pod("x")); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDeliveriesForgetPodsThatAreGone(t *testing.T) {
	d := newDeliveries()
	d.begin(pod("x"))
	d.end(pod("x"), true)
	d.begin(pod("x"))
	d.end(pod("x"), false)
	if diff := cmp.Diff([]int{0, 0}, []int{len(d.checking), len(d.done)}); diff != "" {
		t.Errorf("something is kept of a pod that is gone (-want +got):\n%s", diff)
	}
}
