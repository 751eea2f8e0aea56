package controllers

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
)

// TestFindingCounts: after any changes the metric is what counting anew would give.
func TestFindingCounts(t *testing.T) {
	index := policy.NewIndex(testSettings)
	counts := NewFindingCounts(index, NewIndexFeed(index, testSettings, nil))
	pod := func(name string, proxied bool) policy.Workload {
		w := policy.Workload{Namespace: "shop", Name: name, Proxied: proxied}
		if !proxied {
			w.NotProxied = policy.NotProxiedNotInjected
		}
		return w
	}
	set := index.SetPeerAuthentication
	remove := func(namespace, name string) policy.Change {
		return index.Delete(v1alpha1.KindPeerAuthentication, types.NamespacedName{Namespace: namespace, Name: name})
	}
	for _, step := range []struct {
		what           string
		change         func() policy.Change
		pods, policies float64
	}{
		{"two pods", func() policy.Change { return index.SetWorkload(pod("a", false)) }, 0, 0},
		{"STRICT in their namespace", func() policy.Change { return set(peerAuthentication("shop", "default", v1alpha1.MutualTLSStrict)) }, 1, 1},
		{"STRICT for the mesh", func() policy.Change {
			return set(peerAuthentication(naming.DefaultNamespace, "mesh", v1alpha1.MutualTLSStrict))
		}, 1, 2},
		{"another pod", func() policy.Change { return index.SetWorkload(pod("b", false)) }, 2, 2},
		{"the namespace's policy goes", func() policy.Change { return remove("shop", "default") }, 0, 1},
		{"the namespace opts in", func() policy.Change {
			return index.SetNamespace(policy.Namespace{Name: "shop", Labels: map[string]string{naming.LabelInjection: naming.InjectionEnabled}})
		}, 2, 1},
		{"one is injected", func() policy.Change { return index.SetWorkload(pod("b", true)) }, 1, 1},
		{"the other goes, among very many", func() policy.Change {
			index.Delete(policy.KindPod, types.NamespacedName{Namespace: "shop", Name: "a"})
			return policy.Change{AllWorkloads: true}
		}, 0, 0},
	} {
		counts.changes.add(step.change())
		if taken, ok := counts.changes.take(t.Context()); ok {
			counts.recount(taken)
		}
		strict := func(kind string) float64 {
			return gaugeOf(t, "warifu_findings", kind, string(policy.ReasonStrictNotEnforced), string(policy.SeverityWarning))
		}
		if pods, policies := strict(policy.KindPod), strict(v1alpha1.KindPeerAuthentication); pods != step.pods || policies != step.policies {
			t.Errorf("%s: findings about %v pods and %v policies, want %v and %v", step.what, pods, policies, step.pods, step.policies)
		}
	}
}
