// Package chart_test holds charts/warifu and config/ to what they promise: what values do, that both are the same
// installation, and that a real API server takes them.
package chart_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// values makes values from paths such as "webhook.url".
func values(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		path := strings.Split(pairs[i].(string), ".")
		at := out
		for _, key := range path[:len(path)-1] {
			if at[key] == nil {
				at[key] = map[string]any{}
			}
			at = at[key].(map[string]any)
		}
		at[path[len(path)-1]] = pairs[i+1]
	}
	return out
}

func render(t *testing.T, o chart.Options) []*unstructured.Unstructured {
	t.Helper()
	rendered, err := chart.Render(o)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rendered.Objects()
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// find is the object of a kind and name; nil where there is none.
func find(objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	return nil
}
