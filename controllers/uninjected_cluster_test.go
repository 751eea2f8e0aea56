package controllers

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// startUninjected runs the controller until stopped.
func startUninjected(t *testing.T, c *cluster.Cluster) (stop func()) {
	t.Helper()
	skipNameValidation := true
	mgr, err := ctrl.NewManager(c.Config, ctrl.Options{
		Scheme: c.Client.Scheme(), Logger: logr.Discard(), Metrics: server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &skipNameValidation},
	})
	if err != nil {
		t.Fatal(err)
	}
	settings := inject.Settings{RootNamespace: naming.DefaultNamespace, TrustDomain: "cluster.local", DefaultDataPlane: naming.DataPlaneNone}
	if err := SetupUninjected(mgr, UninjectedOptions{Injection: settings}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	}
}

func plainPod(namespace, name string, edits ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}},
	}
	for _, edit := range edits {
		edit(pod)
	}
	return pod
}

// gaugeOf is the value of a metric by the values of its labels, in the order of their names; 0 where there is none.
func gaugeOf(t *testing.T, name string, labels ...string) float64 {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var values []string
			for _, l := range m.GetLabel() {
				values = append(values, l.GetValue())
			}
			if family.GetName() == name && slices.Equal(values, labels) {
				return m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// eventsAbout lists the events of a namespace.
func eventsAbout(ctx context.Context, t *testing.T, c *cluster.Cluster, namespace string) []corev1.Event {
	t.Helper()
	var list corev1.EventList
	if err := c.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// TestUninjectedPods: pods of before the opting in are told, once, also when the operator restarts, and counted.
func TestUninjectedPods(t *testing.T) {
	c := cluster.Require(t)
	ns := c.Namespace(t, nil)
	create(t, c.Client, plainPod(ns, "early"))
	create(t, c.Client, plainPod(ns, "early-on-node", func(p *corev1.Pod) { p.Spec.HostNetwork = true }))
	create(t, c.Client, plainPod(ns, "early-out", func(p *corev1.Pod) { p.Labels = map[string]string{naming.LabelInject: naming.InjectFalse} }))
	create(t, c.Client, podIn(ns, "injected"))
	counted := func(want float64) {
		t.Helper()
		eventually(t, "the count of pods", func(context.Context) (string, bool) {
			got := gaugeOf(t, "warifu_uninjected_pods", string(inject.LackNotInjected))
			return "other", got == want
		})
	}
	stop := startUninjected(t, c)
	counted(0)
	label(t, c.Client, ns, naming.LabelInjection, naming.InjectionEnabled)
	counted(1)
	told := func() (string, bool) {
		var seen []string
		for _, e := range eventsAbout(t.Context(), t, c, ns) {
			seen = append(seen, e.InvolvedObject.Name+" "+e.Type+" "+e.Reason+" "+e.Message)
		}
		text := strings.Join(seen, "\n")
		return text, len(seen) == 1 && strings.HasPrefix(text, "early Warning NotInjected ") && strings.Contains(text, "delete the pod and create it again")
	}
	eventually(t, "events", func(context.Context) (string, bool) { return told() })

	stop()
	stop = startUninjected(t, c)
	defer func() { stop() }()
	create(t, c.Client, plainPod(ns, "late")) // there is no webhook here
	counted(2)
	eventually(t, "events", func(context.Context) (string, bool) {
		events := eventsAbout(t.Context(), t, c, ns)
		return "other", len(events) == 2
	})
	for _, pod := range []string{"early", "late"} {
		if err := c.Client.Delete(t.Context(), plainPod(ns, pod), client.GracePeriodSeconds(0)); err != nil {
			t.Fatal(err)
		}
	}
	counted(0)
}

// label sets a label of a namespace.
func label(t *testing.T, c client.Client, namespace, key, value string) {
	t.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"`+key+`":"`+value+`"}}}`))
	if err := c.Patch(t.Context(), object, patch); err != nil {
		t.Fatal(err)
	}
}
