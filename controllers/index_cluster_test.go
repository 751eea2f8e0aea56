package controllers

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// TestFeedKnowsPlaces: what a client is told about a Service follows the slices, their hints, and the zone of its node.
func TestFeedKnowsPlaces(t *testing.T) {
	c := cluster.Require(t)
	mgr, err := ctrl.NewManager(c.Config, ctrl.Options{Scheme: c.Client.Scheme(), Logger: logr.Discard(), Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	index := policy.NewIndex(testSettings)
	if err := mgr.Add(NewIndexFeed(index, testSettings, mgr.GetCache())); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the manager ended: %v", err)
		}
	})

	ns := c.Namespace(t, nil)
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	create(t, c.Client, service)
	create(t, c.Client, hintedSlice(ns, "web", map[string]string{"192.0.2.1": "zone-1", "192.0.2.2": "zone-2"}))
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: ns + "-node", Labels: map[string]string{corev1.LabelTopologyZone: "zone-2"}}}
	create(t, c.Client, node)
	t.Cleanup(func() { _ = c.Client.Delete(context.Background(), node) })

	to := netip.AddrPortFrom(netip.MustParseAddr(service.Spec.ClusterIP), 80)
	told := func(want string) {
		t.Helper()
		eventually(t, "endpoints of the Service", func(context.Context) (string, bool) {
			var seen []netip.AddrPort
			for _, e := range index.Lookup(policy.Workload{Namespace: ns, Name: "c", Node: node.Name}, to).Endpoints {
				seen = append(seen, e.Address)
			}
			return fmt.Sprint(seen), fmt.Sprint(seen) == want
		})
	}
	told("[192.0.2.2:8080]")
	patch := client.MergeFrom(node.DeepCopy())
	node.Labels[corev1.LabelTopologyZone] = "zone-1"
	if err := c.Client.Patch(t.Context(), node, patch); err != nil {
		t.Fatal(err)
	}
	told("[192.0.2.1:8080]")
	if err := c.Client.Delete(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	told("[192.0.2.1:8080 192.0.2.2:8080]")
}

// hintedSlice is the endpoints of a Service, each meant for a zone.
func hintedSlice(namespace, service string, zones map[string]string) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: service + "-1", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To[int32](8080)}},
	}
	for address, zone := range zones {
		out.Endpoints = append(out.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{address}, Hints: &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: zone}}},
		})
	}
	return out
}
