package netns

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/chart"
	"github.com/warifu/warifu/internal/testkit/kubelet"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// namespace makes one that has opted in.
func (w *world) namespace(t *testing.T) string {
	t.Helper()
	return w.Namespace(t, map[string]string{naming.LabelInjection: naming.InjectionEnabled})
}

// pod runs a pod with a ServiceAccount of its name. With proxied false it has opted out.
func (w *world) pod(t *testing.T, namespace, name string, proxied bool) *kubelet.Pod {
	t.Helper()
	w.account(t, namespace, name)
	pod := podOf(namespace, name, proxied)
	w.create(t, pod)
	return watch(t, w.node.Run(t, pod))
}

func (w *world) account(t *testing.T, namespace, name string) {
	t.Helper()
	w.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
}

func podOf(namespace, name string, proxied bool) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{ServiceAccountName: name, Containers: []corev1.Container{{
			Name: "app", Image: "docker.io/local/app:1", Ports: []corev1.ContainerPort{{ContainerPort: appHTTP}, {ContainerPort: appEcho}},
		}}},
	}
	if !proxied {
		pod.Labels[naming.LabelInject] = naming.InjectFalse
	}
	return pod
}

// server runs a pod with the application, and a Service in front of it, which is returned with its address.
func (w *world) server(t *testing.T, namespace, name string, proxied bool) (*kubelet.Pod, netip.Addr) {
	t.Helper()
	// The Service comes first: what its ports carry is known before the first connection.
	service := w.service(t, namespace, name)
	pod := w.pod(t, namespace, name, proxied)
	process := pod.Start(t, "app", podnet.Command{Path: os.Args[0], Env: applicationEnv()})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := process.WaitForOutput(ctx, "serving"); err != nil {
		t.Fatal(err)
	}
	return pod, w.publish(t, pod, service)
}

// publish has a Service lead to a pod, once the pod is its endpoint, and returns the Service's address.
func (w *world) publish(t *testing.T, pod *kubelet.Pod, service *corev1.Service) netip.Addr {
	t.Helper()
	eventually(t, "endpoints of "+service.Name, func() error { return w.hasEndpoint(t.Context(), service.Namespace, service.Name) })
	address := netip.MustParseAddr(service.Spec.ClusterIP)
	for _, p := range service.Spec.Ports {
		endpoint := netip.AddrPortFrom(pod.Net.IPv4, uint16(p.TargetPort.IntVal))
		w.network.Service(t, netip.AddrPortFrom(address, uint16(p.Port)), endpoint)
	}
	return address
}

func (w *world) service(t *testing.T, namespace, name string) *corev1.Service {
	t.Helper()
	service := serviceOf(namespace, name, map[string]int32{
		"http": appHTTP, "grpc": appGRPC, "tcp-echo": appEcho, "tcp-greet": appGreet, "tcp-tell": appTell, "smtp": appMail, "https": appTLS,
	})
	w.create(t, service)
	return service
}

// serviceOf is one whose ports lead to the same ones of the pods of its name.
func serviceOf(namespace, name string, ports map[string]int32) *corev1.Service {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}},
	}
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: port, Port: ports[port], TargetPort: intstr.FromInt32(ports[port])})
	}
	return service
}

func (w *world) hasEndpoint(ctx context.Context, namespace, service string) error {
	var list discoveryv1.EndpointSliceList
	err := w.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{discoveryv1.LabelServiceName: service})
	if err != nil {
		return err
	}
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				return nil
			}
		}
	}
	return fmt.Errorf("no ready endpoint")
}

// apply applies policies and waits until every proxy that they select enforces them. They are gone when the test has ended.
func (w *world) apply(t *testing.T, manifest string) {
	t.Helper()
	objects, err := chart.Decode(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if err := w.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("test"), client.ForceOwnership); err != nil {
			t.Fatalf("applying %s %s: %v", o.GetKind(), o.GetName(), err)
		}
		t.Cleanup(func() { w.remove(t, o) })
	}
	for _, o := range objects {
		eventually(t, o.GetKind()+" "+o.GetName()+" is in force", func() error { return w.programmed(t.Context(), o) })
	}
}

func (w *world) remove(t *testing.T, o *unstructured.Unstructured) {
	if err := client.IgnoreNotFound(w.Client.Delete(context.WithoutCancel(t.Context()), o)); err != nil {
		t.Error(err)
	}
}

// programmed is nil when a policy's status says that it is in force in its present form.
func (w *world) programmed(ctx context.Context, o *unstructured.Unstructured) error {
	now := o.DeepCopy()
	if err := w.Client.Get(ctx, client.ObjectKeyFromObject(o), now); err != nil {
		return err
	}
	var status struct {
		Status v1alpha1.PolicyStatus `json:"status"`
	}
	if err := convert(now, &status); err != nil {
		return err
	}
	c := meta.FindStatusCondition(status.Status.Conditions, v1alpha1.ConditionProgrammed)
	if c == nil || c.ObservedGeneration != now.GetGeneration() || c.Status != metav1.ConditionTrue {
		return fmt.Errorf("status %+v", status.Status.Conditions)
	}
	return nil
}
