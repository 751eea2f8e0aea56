package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// informer is one that can be looked into.
type informer struct{ toolscache.Store }

func (i informer) GetStore() toolscache.Store { return i.Store }

func podAt(name, version string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, ResourceVersion: version}}
}

// TestReached: what was heard counts. Where the last of it was deleted before this process began, the cache's version counts,
// but not before everything in the cache has come through.
func TestReached(t *testing.T) {
	store := toolscache.NewStore(toolscache.MetaNamespaceKeyFunc)
	feed := NewIndexFeed(policy.NewIndex(testSettings), testSettings, nil)
	feed.history.watch("Pod", informer{store})
	reached := func(version uint64) bool { return feed.Reached(proxyconfig.AsOf{"Pod": version}) }
	for _, pod := range []*corev1.Pod{podAt("a", "5"), podAt("b", "7")} {
		if err := store.Add(pod); err != nil {
			t.Fatal(err)
		}
	}
	feed.history.note("Pod", podAt("b", "7"), 1)
	if !reached(7) || reached(8) {
		t.Error("an event does not count for what it is")
	}
	store.Bookmark("20")
	if reached(9) {
		t.Error("the cache is believed before a has come through")
	}
	feed.history.note("Pod", podAt("a", "5"), 1)
	if !reached(20) || reached(21) {
		t.Error("what was deleted before the start is waited for in vain, or more is believed than the cache has seen")
	}
	if err := store.Update(podAt("a", "22")); err != nil {
		t.Fatal(err)
	}
	if reached(22) {
		t.Error("a change that is still on its way counts")
	}
	if err := store.Delete(podAt("a", "25")); err != nil {
		t.Fatal(err)
	}
	if reached(25) {
		t.Error("a deletion that is still on its way counts")
	}
	feed.history.note("Pod", podAt("a", "22"), 0)
	feed.history.note("Pod", podAt("a", "25"), -1)
	if !reached(25) {
		t.Error("a deletion does not count")
	}
	if !feed.Reached(proxyconfig.AsOf{"Pod": 25, "Unheard": 99}) {
		t.Error("a kind that is not followed here is waited for")
	}
}

// TestListenersHearBeforeAsOf: what AsOf names has been heard.
func TestListenersHearBeforeAsOf(t *testing.T) {
	feed := NewIndexFeed(policy.NewIndex(testSettings), testSettings, nil)
	heard := 0
	feed.Listen(func(policy.Change) {
		heard++
		if got := feed.AsOf()["Pod"]; got != uint64(heard-1) {
			t.Errorf("as of %d while event %d is heard", got, heard)
		}
	})
	kind := fed(feed, "Pod", func(o *corev1.Pod) policy.Change { return feed.index.SetWorkload(policy.WorkloadOf(o)) })
	kind.handler.OnAdd(podAt("a", "1"), false)
	kind.handler.OnUpdate(nil, podAt("a", "2"))
	kind.handler.OnDelete(toolscache.DeletedFinalStateUnknown{Obj: podAt("a", "3")})
	if got := feed.AsOf()["Pod"]; heard != 3 || got != 3 {
		t.Errorf("%d events heard, as of %d", heard, got)
	}
}

// TestVersionIsOfWhatIsCompiled: writing a policy's status makes it no newer, or it would never be in force.
func TestVersionIsOfWhatIsCompiled(t *testing.T) {
	index := policy.NewIndex(testSettings)
	feed := NewIndexFeed(index, testSettings, nil)
	kind := fed(feed, v1alpha1.KindPeerAuthentication, index.SetPeerAuthentication)
	object := peerAuthentication("shop", "a", v1alpha1.MutualTLSStrict)
	object.ResourceVersion, object.Generation = "5", 1
	kind.handler.OnAdd(object, false)

	written := object.DeepCopy()
	written.ResourceVersion, written.Status.ObservedGeneration = "8", 1
	kind.handler.OnUpdate(object, written)
	if got := feed.Version(ref("a")); got != 5 {
		t.Errorf("version %d after its status was written, want 5", got)
	}
	changed := written.DeepCopy()
	changed.ResourceVersion, changed.Generation, changed.Spec.MTLS.Mode = "9", 2, v1alpha1.MutualTLSPermissive
	kind.handler.OnUpdate(written, changed)
	if got := feed.Version(ref("a")); got != 9 {
		t.Errorf("version %d after a change, want 9", got)
	}
	kind.handler.OnDelete(changed)
	if got := feed.Version(ref("a")); got != 0 {
		t.Errorf("version %d of what is gone", got)
	}
}

// reported are proxies by pod uid, and what they have in force.
type reported map[string]struct {
	version  uint64
	rejected string
}

func (r reported) Acknowledged(_ types.NamespacedName, uid string) (proxyconfig.AsOf, string) {
	got, ok := r[uid]
	if !ok {
		return nil, ""
	}
	return proxyconfig.AsOf{v1alpha1.KindPeerAuthentication: got.version}, got.rejected
}

// TestStatusCountsProxies: a proxy counts once it has in force what was last compiled of the policy, and one that refuses is
// named; the status is looked at again until all count.
func TestStatusCountsProxies(t *testing.T) {
	for name, tt := range map[string]struct {
		proxies reported
		want    string
		again   bool
	}{
		"nobody has reported":  {reported{}, "False Pending: enforced by 0 of 2 proxies", true},
		"one has":              {reported{"1": {version: 5}}, "False Pending: enforced by 1 of 2 proxies", true},
		"one has an older one": {reported{"1": {version: 5}, "2": {version: 4}}, "False Pending: enforced by 1 of 2 proxies", true},
		"one refuses": {
			reported{"1": {version: 5}, "2": {version: 4, rejected: "no such port"}},
			"False Pending: enforced by 1 of 2 proxies; the proxy of Pod shop/2 refuses its configuration: no such port", true,
		},
		"both have": {reported{"1": {version: 5}, "2": {version: 7}}, "True Enforced: enforced by 2 of 2 proxies", false},
	} {
		t.Run(name, func(t *testing.T) {
			r, writer, _ := newStatusTest(1)
			r.Proxies = tt.proxies
			object := writer.to.policy.DeepCopy()
			object.ResourceVersion = "5"
			r.Feed.observe(v1alpha1.KindPeerAuthentication, object, &policy.Change{Policies: []proxyconfig.ObjectRef{ref("a")}})
			for _, pod := range []string{"1", "2"} {
				r.Index.SetWorkload(policy.Workload{Namespace: "shop", Name: pod, UID: pod, Proxied: true})
			}
			result, err := r.Reconcile(t.Context(), ref("a"))
			if err != nil || (result.RequeueAfter > 0) != tt.again {
				t.Errorf("again after %v, error %v", result.RequeueAfter, err)
			}
			c := writer.to.policy.Status.Conditions[1]
			if got := string(c.Status) + " " + c.Reason + ": " + c.Message; got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
