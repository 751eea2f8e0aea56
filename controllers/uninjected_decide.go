package controllers

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/warifu/warifu/internal/inject"
)

// eventSource is the reporting controller of the operator's events.
const eventSource = "warifu-operator"

// actionInject is what events say that the operator was doing, or would have to do.
const actionInject = "Inject"

// maxNote is how many bytes the note of an event takes.
const maxNote = 1024

// uninjectedEvent tells of a lack, once: its name is made of the pod's uid and the reason, so that the API server refuses it
// where it stands already, whichever process wrote it.
func uninjectedEvent(pod *corev1.Pod, lack inject.Lack, now time.Time) *eventsv1.Event {
	note := lack.Message + "; " + restartOf(pod)
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote], "")
	}
	return &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: pod.Namespace, Name: uninjectedEventName(pod, lack.Reason)},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: eventSource,
		ReportingInstance:   eventSource,
		Type:                corev1.EventTypeWarning,
		Action:              actionInject,
		Reason:              string(lack.Reason),
		Regarding: corev1.ObjectReference{
			APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
		},
		Note: note,
	}
}

// uninjectedEventName is the pod's name, as far as it fits, and a hash of what the event is about.
func uninjectedEventName(pod *corev1.Pod, reason inject.LackReason) string {
	hash := fnv.New64a()
	fmt.Fprintf(hash, "%s/%s", pod.UID, reason)
	tail := fmt.Sprintf(".%016x", hash.Sum64())
	name := pod.Name[:min(len(pod.Name), validation.DNS1123SubdomainMaxLength-len(tail))]
	return strings.TrimRight(name, "-.") + tail
}

// restartOf is the way out: what people type to have the pod made anew.
func restartOf(pod *corev1.Pod) string {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return "delete the pod and create it again"
	}
	switch owner.Kind {
	case "StatefulSet", "DaemonSet":
		return rolloutRestart(owner.Kind, pod.Namespace, owner.Name)
	case "ReplicaSet":
		// A Deployment names its ReplicaSets after the hash that its pods have as a label.
		hash := pod.Labels["pod-template-hash"]
		if deployment, ok := strings.CutSuffix(owner.Name, "-"+hash); ok && hash != "" {
			return rolloutRestart("Deployment", pod.Namespace, deployment)
		}
	}
	return fmt.Sprintf("delete the pod, and %s %s makes a new one; where it does not, create that again", owner.Kind, owner.Name)
}

func rolloutRestart(kind, namespace, name string) string {
	return fmt.Sprintf("restart it: kubectl rollout restart -n %s %s/%s", namespace, strings.ToLower(kind), name)
}

// finished says that the pod has ended, or is being deleted: it is nobody's concern any more.
func finished(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
