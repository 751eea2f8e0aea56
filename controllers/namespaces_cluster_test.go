package controllers

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// TestMisspeltNamespaceLabels: who misspells a namespace's label is told, by an event where kubectl describe shows it, and is
// counted until it is corrected.
func TestMisspeltNamespaceLabels(t *testing.T) {
	c := cluster.Require(t)
	skipNameValidation := true
	mgr, err := ctrl.NewManager(c.Config, ctrl.Options{
		Scheme: c.Client.Scheme(), Logger: logr.Discard(), Metrics: server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &skipNameValidation},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := SetupNamespaceLabels(mgr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	}()

	name := c.Namespace(t, map[string]string{naming.LabelInjection: "enable"})
	reason := string(inject.NamespaceUnknownInjection)
	eventuallyCounted(t, reason, 1)
	eventually(t, "an event", func(ctx context.Context) (string, bool) {
		var told eventsv1.EventList
		if err := c.Client.List(ctx, &told, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return err.Error(), false
		}
		for _, event := range told.Items {
			if event.Regarding.Kind == "Namespace" && event.Regarding.Name == name && event.Reason == reason && event.Type == corev1.EventTypeWarning {
				return event.Note, true
			}
		}
		return "none", false
	})
	relabel(t, c, name, naming.InjectionDisabled)
	eventuallyCounted(t, reason, 0)
	relabel(t, c, name, "")
	eventuallyCounted(t, reason, 1)
}

func relabel(t *testing.T, c *cluster.Cluster, namespace, value string) {
	t.Helper()
	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%q}}}`, naming.LabelInjection, value)
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := c.Client.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
}

func eventuallyCounted(t *testing.T, reason string, want float64) {
	t.Helper()
	eventually(t, "the metric", func(context.Context) (string, bool) {
		got := gaugeOf(t, "warifu_misunderstood_namespaces", reason)
		return fmt.Sprintf("%v, want %v", got, want), got == want
	})
}
