package app

import (
	"bytes"
	"strings"
	"sync/atomic"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/warifu/warifu/internal/naming"
)

// cacheOptions keep of each kind what is used: a cluster has many pods, and a copy of all of them is most of an operator's
// memory. What a transform drops is never written back, because everything is written by apply or patch.
func cacheOptions(namespace string) cache.Options {
	ours := labels.SelectorFromSet(labels.Set{naming.LabelManagedBy: naming.ManagedBy})
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Pod{}:                {Transform: strip(new(sharedPods).stripPod)},
			&corev1.Service{}:            {Transform: strip(stripService)},
			&corev1.Namespace{}:          {Transform: strip(stripNamespace)},
			&corev1.ServiceAccount{}:     {Transform: strip(stripServiceAccount)},
			&discoveryv1.EndpointSlice{}: {Transform: strip(stripEndpointSlice)},
			&corev1.Node{}:               {Transform: strip(stripNode)},
			// Of all webhook configurations, the two that the chart installs.
			&admissionregistrationv1.MutatingWebhookConfiguration{}:   {Field: fields.OneTermEqualSelector("metadata.name", naming.WebhookMutating)},
			&admissionregistrationv1.ValidatingWebhookConfiguration{}: {Field: fields.OneTermEqualSelector("metadata.name", naming.WebhookValidator)},
			// Nothing here about cert-manager's kinds: a selector asks the API server about the kind at once, and it may not exist.
			// Secrets that we have not made are nobody's business of ours, but for the operator's own namespace, where
			// people bring a CA of their own. Helm keeps its (large) releases there.
			&corev1.Secret{}: {Transform: strip(new(sharedRoots).stripSecret), Namespaces: map[string]cache.Config{
				cache.AllNamespaces: {LabelSelector: ours},
				namespace: {
					LabelSelector: labels.Everything(),
					FieldSelector: fields.OneTermNotEqualSelector("type", "helm.sh/release.v1"),
				},
			}},
		},
	}
}

// strip makes a cache transform of a function that empties an object of what is not used.
func strip[T client.Object](rest func(T)) toolscache.TransformFunc {
	return func(in any) (any, error) {
		object, ok := in.(T)
		if !ok {
			return in, nil // the last state of a deleted object
		}
		object.SetManagedFields(nil)
		rest(object)
		return object, nil
	}
}

// ownAnnotations drops the annotations of others: kubectl keeps whole objects there.
func ownAnnotations(object client.Object) {
	own := map[string]string{}
	for key, value := range object.GetAnnotations() {
		if strings.HasPrefix(key, naming.Group+"/") {
			own[key] = value
		}
	}
	if len(own) == 0 {
		own = nil
	}
	object.SetAnnotations(own)
}

func stripPod(pod *corev1.Pod) {
	mirrored, isMirror := pod.Annotations[corev1.MirrorPodAnnotationKey]
	ownAnnotations(pod)
	for _, forPeople := range []string{naming.AnnotationStatus, naming.AnnotationIdentity} {
		delete(pod.Annotations, forPeople)
	}
	if isMirror {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, corev1.MirrorPodAnnotationKey, mirrored)
	}
	pod.OwnerReferences = stripOwner(metav1.GetControllerOf(pod))
	pod.GenerateName = ""
	spec := corev1.PodSpec{
		ServiceAccountName: pod.Spec.ServiceAccountName,
		NodeName:           pod.Spec.NodeName,
		HostNetwork:        pod.Spec.HostNetwork,
		OS:                 pod.Spec.OS,
		InitContainers:     stripContainers(pod.Spec.InitContainers),
		Containers:         stripContainers(pod.Spec.Containers),
		Volumes:            stripVolumes(pod),
	}
	pod.Spec = spec
	pod.Status = corev1.PodStatus{Phase: pod.Status.Phase, PodIP: pod.Status.PodIP, PodIPs: pod.Status.PodIPs}
}

// stripVolumes keeps the names by which injection is known, and all where the pod asks for some of its own to be shown to
// the proxy. A corev1.Volume takes 256 bytes however empty, so there is room for no more than these.
func stripVolumes(pod *corev1.Pod) []corev1.Volume {
	all := pod.Annotations[naming.AnnotationProxyVolumes] != ""
	var names []string
	for _, v := range pod.Spec.Volumes {
		if all || v.Name == naming.VolumeTLS || v.Name == naming.VolumeMode {
			names = append(names, v.Name)
		}
	}
	out := make([]corev1.Volume, len(names))
	for i, name := range names {
		out[i].Name = name
	}
	return out
}

// stripOwner keeps what says how to restart a pod.
func stripOwner(owner *metav1.OwnerReference) []metav1.OwnerReference {
	if owner == nil {
		return nil
	}
	return []metav1.OwnerReference{{Kind: owner.Kind, Name: owner.Name, Controller: owner.Controller}}
}

// stripContainers keeps names, ports and what makes an init container a sidecar.
func stripContainers(in []corev1.Container) []corev1.Container {
	out := make([]corev1.Container, 0, len(in))
	for _, c := range in {
		out = append(out, corev1.Container{Name: c.Name, Ports: c.Ports, RestartPolicy: c.RestartPolicy})
	}
	return out
}

func stripService(service *corev1.Service) {
	ownAnnotations(service)
	service.OwnerReferences = nil
	service.Status = corev1.ServiceStatus{LoadBalancer: service.Status.LoadBalancer}
}

func stripNamespace(namespace *corev1.Namespace) { ownAnnotations(namespace) }

func stripServiceAccount(account *corev1.ServiceAccount) {
	ownAnnotations(account)
	account.Secrets, account.ImagePullSecrets = nil, nil
}

// sharedRoots has identity Secrets share the memory of their ca.crt, which is the same in all.
type sharedRoots struct{ last atomic.Pointer[[]byte] }

func (r *sharedRoots) stripSecret(secret *corev1.Secret) {
	roots := secret.Data[naming.FileCA]
	if last := r.last.Load(); last != nil && bytes.Equal(*last, roots) {
		secret.Data[naming.FileCA] = *last
	} else if len(roots) > 0 {
		r.last.Store(&roots)
	}
}

func stripEndpointSlice(slice *discoveryv1.EndpointSlice) {
	slice.Annotations = nil
	slice.OwnerReferences = nil
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		target := e.TargetRef
		if target != nil {
			target = &corev1.ObjectReference{Kind: target.Kind, Namespace: target.Namespace, Name: target.Name, UID: target.UID}
		}
		*e = discoveryv1.Endpoint{Addresses: e.Addresses, Conditions: e.Conditions, TargetRef: target, NodeName: e.NodeName, Hints: e.Hints}
	}
}

// stripNode keeps where a node is. Of nodes, which kubelet updates all the time, only the metadata is watched.
func stripNode(node *metav1.PartialObjectMetadata) {
	node.Annotations, node.OwnerReferences = nil, nil
	zone, zoned := node.Labels[corev1.LabelTopologyZone]
	node.Labels = nil
	if zoned {
		node.Labels = map[string]string{corev1.LabelTopologyZone: zone}
	}
}
