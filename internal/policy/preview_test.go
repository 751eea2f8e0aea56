package policy

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestPreview takes worlds at random: a preview says what setting the object would lead to, and leaves no trace.
func TestPreview(t *testing.T) {
	for seed := range 60 {
		w := newWorld()
		c := &choices{data: seeded(seed, 600)}
		for range 25 {
			w.step(t, c)
		}
		for _, kind := range []string{v1alpha1.KindPeerAuthentication, v1alpha1.KindDestinationRule, v1alpha1.KindAuthorizationPolicy} {
			name := types.NamespacedName{Namespace: pick(c, "root", "a"), Name: pick(c, "x", "new")}
			object := generate(c, kind, name)
			before := w.look(t)
			got := preview(w.ix, object)
			if diff := cmp.Diff(before, w.look(t), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); diff != "" {
				t.Fatalf("seed %d, %s: the preview left a trace:\n%s", seed, kind, diff)
			}
			set(w.ix, object)
			want := w.ix.Findings(proxyconfig.ObjectRef{Kind: kind, Namespace: name.Namespace, Name: name.Name})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, %s: -set +preview:\n%s", seed, kind, diff)
			}
			w.objects[kind+" "+name.String()] = object.(metav1.Object)
		}
	}
}

func preview(ix *Index, object any) []Finding {
	switch o := object.(type) {
	case *v1alpha1.PeerAuthentication:
		return ix.PreviewPeerAuthentication(o)
	case *v1alpha1.DestinationRule:
		return ix.PreviewDestinationRule(o)
	default:
		return ix.PreviewAuthorizationPolicy(o.(*v1alpha1.AuthorizationPolicy))
	}
}

// seeded is a sequence of bytes without much of a pattern.
func seeded(seed, n int) []byte {
	out := make([]byte, n)
	state := uint32(seed)*2654435761 + 1
	for i := range out {
		state = state*1664525 + 1013904223
		out[i] = byte(state >> 24)
	}
	return out
}
