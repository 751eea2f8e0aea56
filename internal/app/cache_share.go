package app

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// maxShared bounds a table of shared parts. A cluster has few kinds of pods at a time; a table that is full begins anew, and
// parts that are in use stay where they are.
const maxShared = 2000

// shared has objects that are equal in a part share its memory: the replicas of a workload have the same labels and containers,
// and what injection adds is the same in all. Cached objects are never changed, so nobody notices.
type shared[T any] struct {
	mu    sync.Mutex
	parts map[string]T
}

// of returns the part that was first seen under the key, which says all that is in it.
func (s *shared[T]) of(key []byte, part T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.parts[string(key)]; ok {
		return known
	}
	if s.parts == nil || len(s.parts) >= maxShared {
		s.parts = map[string]T{}
	}
	s.parts[string(key)] = part
	return part
}

// sharedPods are the parts of pods.
type sharedPods struct {
	texts      shared[map[string]string]
	containers shared[[]corev1.Container]
	volumes    shared[[]corev1.Volume]
}

// stripPod strips a pod and has it share what is left with its like.
func (s *sharedPods) stripPod(pod *corev1.Pod) {
	stripPod(pod)
	pod.Labels, pod.Annotations = s.text(pod.Labels), s.text(pod.Annotations)
	pod.Spec.InitContainers, pod.Spec.Containers = s.container(pod.Spec.InitContainers), s.container(pod.Spec.Containers)
	if len(pod.Spec.Volumes) > 0 {
		var key []byte
		for _, v := range pod.Spec.Volumes {
			key = appendText(key, v.Name)
		}
		pod.Spec.Volumes = s.volumes.of(key, pod.Spec.Volumes)
	}
}

func (s *sharedPods) text(m map[string]string) map[string]string {
	if len(m) == 0 {
		return m
	}
	var key []byte
	for _, k := range slices.Sorted(maps.Keys(m)) {
		key = appendText(appendText(key, k), m[k])
	}
	return s.texts.of(key, m)
}

// container goes by all that stripContainers keeps.
func (s *sharedPods) container(containers []corev1.Container) []corev1.Container {
	if len(containers) == 0 {
		return containers
	}
	var key []byte
	for _, c := range containers {
		key = appendText(key, c.Name)
		if c.RestartPolicy == nil {
			key = append(key, 0)
		} else {
			key = appendText(append(key, 1), string(*c.RestartPolicy))
		}
		key = binary.AppendUvarint(key, uint64(len(c.Ports)))
		for _, p := range c.Ports {
			key = appendText(appendText(appendText(key, p.Name), string(p.Protocol)), p.HostIP)
			key = binary.AppendVarint(binary.AppendVarint(key, int64(p.ContainerPort)), int64(p.HostPort))
		}
	}
	return s.containers.of(key, containers)
}

// appendText appends a text so that no two lists of texts come out alike.
func appendText(key []byte, text string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(text))), text...)
}
