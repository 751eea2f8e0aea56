package controllers

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/warifu/warifu/internal/inject"
)

func TestRestartOf(t *testing.T) {
	for name, tc := range map[string]struct{ kind, owner, hash, want string }{
		"nobody":            {"", "", "", "delete the pod and create it again"},
		"a Deployment":      {"ReplicaSet", "web-7d9f8", "7d9f8", "kubectl rollout restart -n shop deployment/web"},
		"a bare ReplicaSet": {"ReplicaSet", "web", "", "delete the pod, and ReplicaSet web"},
		"another hash":      {"ReplicaSet", "web-7d9f8", "aaaaa", "delete the pod, and ReplicaSet web-7d9f8"},
		"a StatefulSet":     {"StatefulSet", "db", "", "kubectl rollout restart -n shop statefulset/db"},
		"a DaemonSet":       {"DaemonSet", "log", "", "kubectl rollout restart -n shop daemonset/log"},
		"a Job":             {"Job", "once", "", "delete the pod, and Job once"},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "x", Labels: map[string]string{"pod-template-hash": tc.hash}}}
		if tc.kind != "" {
			pod.OwnerReferences = []metav1.OwnerReference{{Kind: tc.kind, Name: tc.owner, Controller: ptr.To(true)}}
		}
		if got := restartOf(pod); !strings.Contains(got, tc.want) {
			t.Errorf("%s: %s; want %s", name, got, tc.want)
		}
	}
}

func TestUninjectedEventName(t *testing.T) {
	names := map[string]bool{}
	for _, pod := range []string{"web", strings.Repeat("a", 235) + "-.b", strings.Repeat("a", 253)} {
		for _, uid := range []types.UID{"1", "2"} {
			for _, reason := range inject.LackReasons() {
				p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod, UID: uid}}
				name := uninjectedEventName(p, reason)
				if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
					t.Errorf("%s: %v", name, problems)
				}
				if names[name] || uninjectedEventName(p, reason) != name {
					t.Errorf("%s: not one name for one pod and reason", name)
				}
				names[name] = true
			}
		}
	}
}

func TestUninjectedEventFits(t *testing.T) {
	event := uninjectedEvent(&corev1.Pod{}, inject.Lack{Message: strings.Repeat("ä", 1000)}, time.Unix(0, 0))
	if len(event.Note) > 1024 || !strings.HasPrefix(event.Note, "ää") || strings.ContainsRune(event.Note, '�') {
		t.Errorf("the note has %d bytes", len(event.Note))
	}
}
