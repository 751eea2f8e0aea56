package envtest_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
)

// earlyPodIsTold: a pod of before its namespace opted in is told by an event how to restart it, with the operator's rights
// and from what its cache keeps; one that uses the node's network is not.
func (in installed) earlyPodIsTold(t *testing.T) {
	namespace := in.Namespace(t, nil)
	node := newPod(namespace, "node")
	node.Spec.HostNetwork = true
	in.create(t, node)
	app := map[string]string{"app": "web"}
	in.create(t, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: app},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: newPod(namespace, "").Spec},
		},
	})
	eventually(t, "the Deployment's pod", func(ctx context.Context) (string, bool) {
		var pods corev1.PodList
		err := in.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(app))
		return fmt.Sprint(err), len(pods.Items) == 1
	})
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"`+naming.LabelInjection+`":"`+naming.InjectionEnabled+`"}}}`))
	if err := in.Client.Patch(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, patch); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event about the pod", func(ctx context.Context) (string, bool) {
		var list corev1.EventList
		if err := in.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return err.Error(), false
		}
		var warnings []string
		for _, e := range list.Items {
			if e.Type == corev1.EventTypeWarning && e.ReportingController == "warifu-operator" {
				warnings = append(warnings, e.InvolvedObject.Name+" "+e.Reason+": "+e.Message)
			}
		}
		seen := strings.Join(warnings, "\n")
		return seen, len(warnings) == 1 && strings.HasPrefix(seen, "web-") && strings.Contains(seen, " NotInjected: ") && strings.HasSuffix(seen, "kubectl rollout restart -n "+namespace+" deployment/web")
	})
}
