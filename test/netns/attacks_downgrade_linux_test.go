package netns

import (
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
)

// downgrade: nothing that can be edited of a pod that runs, or of its namespace, makes its callers send plaintext.
func (a *arena) downgrade(t *testing.T) {
	for _, annotation := range []string{naming.AnnotationStatus, naming.AnnotationIdentity, naming.AnnotationMTLSMode} {
		removed := fmt.Sprintf(`{"metadata":{"annotations":{%q:null}}}`, annotation)
		if err := a.patch(t, a.server.Object(), removed); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("%s is taken off: %v", annotation, err)
		}
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.namespace}}
	for _, edit := range []struct {
		what   client.Object
		change string
	}{
		{a.server.Object(), fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, naming.LabelInject, naming.InjectFalse)},
		{a.server.Object(), fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, naming.LabelDataPlane, naming.DataPlaneNone)},
		{namespace, fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, naming.LabelInjection, naming.InjectionDisabled)},
		{namespace, fmt.Sprintf(`{"metadata":{"labels":{%q:null}}}`, naming.LabelInjection)},
	} {
		if err := a.patch(t, edit.what, edit.change); err != nil {
			t.Fatalf("%s: %v", edit.change, err)
		}
	}
	// What is in force after the edits takes them in.
	a.apply(t, fmt.Sprintf("apiVersion: warifu.dev/v1alpha1\nkind: DestinationRule\nmetadata: {namespace: %s, name: elsewhere}\nspec: {host: elsewhere}\n", a.namespace))
	for range 3 {
		if got := ask(t, a.orders, a.server.Net.IPv4, "/", nil).want(t, http.StatusOK); len(got.seen.XFCC) != 1 {
			t.Errorf("the caller sends plaintext: %+v", got.seen)
		}
	}
	if a.present(t, witnessStrict, shows(nil), nil) == nil {
		t.Error("STRICT lets nobody's certificate in")
	}
	a.witness.take()
}

func (a *arena) patch(t *testing.T, object client.Object, change string) error {
	t.Helper()
	target := object.DeepCopyObject().(client.Object)
	return a.Client.Patch(t.Context(), target, client.RawPatch("application/merge-patch+json", []byte(change)))
}
