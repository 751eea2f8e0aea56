package app

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/inject"
	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/policy"
)

var sameAddress = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// fullPod has everything that the compiler and the reconcilers look at, among much that they do not.
func fullPod() *corev1.Pod {
	always := corev1.ContainerRestartPolicyAlways
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "cart-0", UID: "uid", ResourceVersion: "7",
			Labels:        map[string]string{"app": "cart"},
			Annotations:   map[string]string{naming.AnnotationMTLSMode: "STRICT", naming.AnnotationExcludeInboundPorts: "9090", naming.AnnotationClientWait: "3306=0s", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Spec: corev1.PodSpec{
			ServiceAccountName: "cart",
			NodeName:           "node-1",
			InitContainers:     []corev1.Container{{Name: naming.ContainerProxy, Image: "proxy", RestartPolicy: &always}},
			Containers: []corev1.Container{{
				Name: "app", Image: "app", Env: []corev1.EnvVar{{Name: "PASSWORD", Value: "x"}},
				Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
			}},
			Volumes: []corev1.Volume{{Name: naming.VolumeMode, VolumeSource: corev1.VolumeSource{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}}, HostIP: "192.0.2.1",
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady}},
		},
	}
}

func TestStrippedObjectsCompileAlike(t *testing.T) {
	pod := fullPod()
	if diff := cmp.Diff(policy.WorkloadOf(pod), policy.WorkloadOf(transformed(t, pod.DeepCopy(), stripPod)), sameAddress); diff != "" {
		t.Errorf("pod -whole +stripped:\n%s", diff)
	}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart", Annotations: map[string]string{"a": "b"}},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "cart"}, ClusterIP: "10.1.0.1", ClusterIPs: []string{"10.1.0.1"}, ExternalIPs: []string{"192.0.2.9"},
			Ports:                 []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
			InternalTrafficPolicy: ptr.To(corev1.ServiceInternalTrafficPolicyLocal),
			SessionAffinity:       corev1.ServiceAffinityClientIP,
		},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "192.0.2.10"}}}},
	}
	if diff := cmp.Diff(policy.ServiceOf(service), policy.ServiceOf(transformed(t, service.DeepCopy(), stripService)), sameAddress); diff != "" {
		t.Errorf("service -whole +stripped:\n%s", diff)
	}
	ready, node, name, port := true, "node-1", "http", int32(8080)
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cart-x", Labels: map[string]string{discoveryv1.LabelServiceName: "cart"}},
		Ports:      []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{"10.0.0.1"}, NodeName: &node,
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: ptr.To(false), Terminating: &ready},
			Hints:      &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: "a"}}, ForNodes: []discoveryv1.ForNode{{Name: node}}},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "cart-0", UID: "uid"},
		}},
	}
	if diff := cmp.Diff(policy.EndpointSliceOf(slice), policy.EndpointSliceOf(transformed(t, slice.DeepCopy(), stripEndpointSlice)), sameAddress); diff != "" {
		t.Errorf("endpoint slice -whole +stripped:\n%s", diff)
	}
	where := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: node, Annotations: map[string]string{"a": "b"}, Labels: map[string]string{corev1.LabelTopologyZone: "a", "x": "y"}}}
	stripped := transformed(t, where.DeepCopy(), stripNode)
	if diff := cmp.Diff(policy.NodeOf(where), policy.NodeOf(stripped)); diff != "" || len(stripped.Labels) != 1 || stripped.Annotations != nil {
		t.Errorf("node -whole +stripped:\n%s%v", diff, stripped)
	}
}

func TestStripPodDropsTheRest(t *testing.T) {
	got := transformed(t, fullPod(), stripPod)
	if got.ManagedFields != nil || got.Spec.Containers[0].Env != nil || got.Spec.Volumes[0].DownwardAPI != nil || got.Status.Conditions != nil {
		t.Errorf("still whole: %v", got)
	}
	want := map[string]string{naming.AnnotationMTLSMode: "STRICT", naming.AnnotationExcludeInboundPorts: "9090", naming.AnnotationClientWait: "3306=0s"}
	if diff := cmp.Diff(want, got.Annotations); diff != "" {
		t.Errorf("annotations -want +got:\n%s", diff)
	}
}

// TestStrippedPodsAreJudgedAlike: what tells pods that are not injected from others, and how to restart them.
func TestStrippedPodsAreJudgedAlike(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{naming.LabelInjection: naming.InjectionEnabled}}}
	for name, edit := range map[string]func(*corev1.Pod){
		"injected":     func(*corev1.Pod) {},
		"not injected": func(p *corev1.Pod) { p.Spec.InitContainers = nil },
		"other plane":  func(p *corev1.Pod) { p.Labels[naming.LabelDataPlane] = naming.DataPlaneNone },
		"hostNetwork":  func(p *corev1.Pod) { p.Spec.InitContainers, p.Spec.HostNetwork = nil, true },
		"Windows": func(p *corev1.Pod) {
			p.Spec.InitContainers, p.Spec.OS = nil, &corev1.PodOS{Name: corev1.Windows}
		},
		"mirror pod": func(p *corev1.Pod) {
			p.Spec.InitContainers = nil
			p.Annotations[corev1.MirrorPodAnnotationKey] = "x"
		},
	} {
		pod := fullPod()
		controlled := true
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "ConfigMap", Name: "x"}, {Kind: "ReplicaSet", Name: "cart-1", Controller: &controlled}}
		edit(pod)
		stripped := transformed(t, pod.DeepCopy(), stripPod)
		settings := inject.Settings{TrustDomain: "cluster.local", DefaultDataPlane: naming.DataPlaneSidecar, ExcludableInboundPorts: []uint16{9090}}
		want := inject.Missing(inject.Input{Pod: pod, Namespace: namespace, Settings: settings})
		got := inject.Missing(inject.Input{Pod: stripped, Namespace: namespace, Settings: settings})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -whole +stripped:\n%s", name, diff)
		}
		if owner := metav1.GetControllerOf(stripped); owner == nil || owner.Kind != "ReplicaSet" || owner.Name != "cart-1" {
			t.Errorf("%s: the owner is %v", name, owner)
		}
	}
}

func TestStripVolumesKeepsThoseForTheProxy(t *testing.T) {
	pod := fullPod()
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "certificates"})
	if got := transformed(t, pod.DeepCopy(), stripPod); len(got.Spec.Volumes) != 1 || got.Spec.Volumes[0].Name != naming.VolumeMode {
		t.Errorf("got %v", got.Spec.Volumes)
	}
	pod.Annotations[naming.AnnotationProxyVolumes] = "certificates"
	if got := transformed(t, pod.DeepCopy(), stripPod); len(got.Spec.Volumes) != 2 {
		t.Errorf("with %s: got %v", naming.AnnotationProxyVolumes, got.Spec.Volumes)
	}
}

func TestSecretsShareRoots(t *testing.T) {
	secret := func(ca string) *corev1.Secret {
		return &corev1.Secret{Data: map[string][]byte{naming.FileCA: []byte(ca), naming.FileCert: []byte("leaf")}}
	}
	strip := new(sharedRoots).stripSecret
	first, second, other, without := secret("root"), secret("root"), secret("other root"), &corev1.Secret{}
	for _, s := range []*corev1.Secret{first, second, other, without} {
		strip(s)
	}
	if &first.Data[naming.FileCA][0] != &second.Data[naming.FileCA][0] {
		t.Error("the same roots are there twice")
	}
	if string(other.Data[naming.FileCA]) != "other root" || string(second.Data[naming.FileCert]) != "leaf" || without.Data != nil {
		t.Errorf("changed: %v %v %v", other.Data, second.Data, without.Data)
	}
}

func TestStripLeavesTombstones(t *testing.T) {
	gone := toolscache.DeletedFinalStateUnknown{Key: "a/b"}
	if got, err := strip(stripPod)(gone); err != nil || got != any(gone) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestSecretsCached(t *testing.T) {
	var secrets cache.ByObject
	for object, options := range cacheOptions("warifu-system").ByObject {
		if _, ok := object.(*corev1.Secret); ok {
			secrets = options
		}
	}
	elsewhere := secrets.Namespaces[cache.AllNamespaces].LabelSelector
	if elsewhere.Matches(labels.Set{"app": "theirs"}) || !elsewhere.Matches(labels.Set{naming.LabelManagedBy: naming.ManagedBy}) {
		t.Errorf("outside of the operator's namespace: %s", elsewhere)
	}
	if home := secrets.Namespaces["warifu-system"].LabelSelector; !home.Matches(labels.Set{}) {
		t.Errorf("in the operator's namespace: %s", home)
	}
}

// transformed is an object as the cache keeps it.
func transformed[T client.Object](t *testing.T, object T, rest func(T)) T {
	t.Helper()
	out, err := strip(rest)(object)
	if err != nil {
		t.Fatal(err)
	}
	return out.(T)
}

// TestPodsShareWhatIsEqual: replicas share the memory of their labels, containers and volumes, and no pod has another's.
func TestPodsShareWhatIsEqual(t *testing.T) {
	parts := new(sharedPods)
	share := func(edit func(*corev1.Pod)) *corev1.Pod {
		pod := fullPod()
		edit(pod)
		return transformed(t, pod, parts.stripPod)
	}
	first, replica := share(func(*corev1.Pod) {}), share(func(p *corev1.Pod) { p.Name = "cart-1" })
	if &first.Spec.Containers[0] != &replica.Spec.Containers[0] || &first.Spec.InitContainers[0] != &replica.Spec.InitContainers[0] ||
		&first.Spec.Volumes[0] != &replica.Spec.Volumes[0] {
		t.Error("two replicas have containers and volumes of their own")
	}
	replica.Labels["app"] = "changed" // as nobody does
	if first.Labels["app"] != "changed" {
		t.Error("two replicas have labels of their own")
	}
	replica.Labels["app"] = "cart"
	never := corev1.ContainerRestartPolicy("Never")
	for name, edit := range map[string]func(*corev1.Pod){
		"label":          func(p *corev1.Pod) { p.Labels["app"] = "pay" },
		"label's key":    func(p *corev1.Pod) { p.Labels = map[string]string{"ap": "pcart"} },
		"annotation":     func(p *corev1.Pod) { p.Annotations[naming.AnnotationMTLSMode] = "PERMISSIVE" },
		"container":      func(p *corev1.Pod) { p.Spec.Containers[0].Name = "web" },
		"order":          func(p *corev1.Pod) { p.Spec.InitContainers = append(p.Spec.Containers, p.Spec.InitContainers...) },
		"restart policy": func(p *corev1.Pod) { p.Spec.InitContainers[0].RestartPolicy = &never },
		"no policy":      func(p *corev1.Pod) { p.Spec.InitContainers[0].RestartPolicy = nil },
		"port":           func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].ContainerPort = 8081 },
		"protocol":       func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].Protocol = corev1.ProtocolUDP },
		"host port":      func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].HostPort = 80 },
		"more ports": func(p *corev1.Pod) {
			p.Spec.Containers[0].Ports = append(p.Spec.Containers[0].Ports, corev1.ContainerPort{})
		},
		"volume":    func(p *corev1.Pod) { p.Spec.Volumes[0].Name = naming.VolumeTLS },
		"no volume": func(p *corev1.Pod) { p.Spec.Volumes = nil },
	} {
		pod := fullPod()
		edit(pod)
		want := transformed(t, pod.DeepCopy(), stripPod)
		if diff := cmp.Diff(want, transformed(t, pod, parts.stripPod)); diff != "" {
			t.Errorf("%s: -alone +shared:\n%s", name, diff)
		}
	}
}

// TestSharingIsBounded: a cluster in which no two pods are alike does not fill the memory with the parts of those that are gone.
func TestSharingIsBounded(t *testing.T) {
	s := new(shared[int])
	for i := range 3 * maxShared {
		if got := s.of(appendText(nil, strconv.Itoa(i)), i); got != i {
			t.Fatalf("%d became %d", i, got)
		}
	}
	if len(s.parts) > maxShared {
		t.Errorf("%d parts are kept", len(s.parts))
	}
}
