package status

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
)

// Applier applies a status by server-side apply: client.Client.Status() is one.
type Applier interface {
	Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error
}

// Write replaces the status that Warifu owns on an object of our group: what the status does not mention and we once wrote
// is removed, what others own stays.
func Write[Status any](ctx context.Context, to Applier, kind string, name types.NamespacedName, status Status) error {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&status)
	if err != nil {
		return fmt.Errorf("encoding the status of %s %s: %w", kind, name, err)
	}
	object := &unstructured.Unstructured{Object: map[string]any{"status": fields}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	object.SetNamespace(name.Namespace)
	object.SetName(name.Name)
	err = to.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(naming.FieldOwner), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("writing the status of %s %s: %w", kind, name, err)
	}
	return nil
}
