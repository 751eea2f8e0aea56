package status

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
)

// recorded is an Applier that keeps what it was asked.
type recorded struct {
	body    string
	options client.SubResourceApplyOptions
}

func (r *recorded) Apply(_ context.Context, config runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	raw, err := json.Marshal(config)
	r.body = string(raw)
	r.options.ApplyOpts(options)
	return err
}

func TestWriteAppliesTheStatusAlone(t *testing.T) {
	var to recorded
	err := Write(t.Context(), &to, v1alpha1.KindPeerAuthentication, types.NamespacedName{Namespace: "shop", Name: "default"},
		v1alpha1.PolicyStatus{ObservedGeneration: 2, Workloads: 0})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"warifu.dev/v1alpha1","kind":"PeerAuthentication","metadata":{"name":"default","namespace":"shop"},"status":{"observedGeneration":2,"workloads":0}}`
	if diff := cmp.Diff(want, to.body); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if to.options.FieldManager != "warifu" || to.options.Force == nil || !*to.options.Force {
		t.Errorf("field owner %q, force %v", to.options.FieldManager, to.options.Force)
	}
}
