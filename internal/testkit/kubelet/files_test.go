package kubelet

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestEnvironment(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "web", UID: "1-2",
			Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"a.b/c": "d"},
		},
		Spec:   corev1.PodSpec{NodeName: "node", ServiceAccountName: "account"},
		Status: corev1.PodStatus{HostIP: "10.0.0.1", PodIP: "10.0.0.2", PodIPs: []corev1.PodIP{{IP: "10.0.0.2"}, {IP: "fd00::2"}}},
	}
	from := func(path string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
	}
	for _, tc := range []struct {
		variable corev1.EnvVar
		want     string
	}{
		{corev1.EnvVar{Value: "plain"}, "plain"},
		{corev1.EnvVar{Value: "a $(EARLIER) b"}, "a before b"},
		{corev1.EnvVar{Value: "$(LATER) $(EARLIER"}, "$(LATER) $(EARLIER"},
		{corev1.EnvVar{Value: "$$(EARLIER) $5"}, "$(EARLIER) $5"},
		{corev1.EnvVar{ValueFrom: from("metadata.name")}, "web"},
		{corev1.EnvVar{ValueFrom: from("metadata.namespace")}, "shop"},
		{corev1.EnvVar{ValueFrom: from("metadata.uid")}, "1-2"},
		{corev1.EnvVar{ValueFrom: from("metadata.labels['app']")}, "web"},
		{corev1.EnvVar{ValueFrom: from("metadata.annotations['a.b/c']")}, "d"},
		{corev1.EnvVar{ValueFrom: from("metadata.annotations['none']")}, ""},
		{corev1.EnvVar{ValueFrom: from("spec.nodeName")}, "node"},
		{corev1.EnvVar{ValueFrom: from("spec.serviceAccountName")}, "account"},
		{corev1.EnvVar{ValueFrom: from("status.hostIP")}, "10.0.0.1"},
		{corev1.EnvVar{ValueFrom: from("status.podIP")}, "10.0.0.2"},
		{corev1.EnvVar{ValueFrom: from("status.podIPs")}, "10.0.0.2,fd00::2"},
	} {
		tc.variable.Name = "NAME"
		container := &corev1.Container{Env: []corev1.EnvVar{{Name: "EARLIER", Value: "before"}, tc.variable, {Name: "LATER", Value: "after"}}}
		got, err := Environment(pod, container)
		if want := []string{"EARLIER=before", "NAME=" + tc.want, "LATER=after"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v: got %q, %v; want %q", tc.variable, got, err, want)
		}
	}
	for name, container := range map[string]corev1.Container{
		"a field":  {Env: []corev1.EnvVar{{Name: "NAME", ValueFrom: from("spec.unknown")}}},
		"a source": {Env: []corev1.EnvVar{{Name: "NAME", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{}}}}},
		"envFrom":  {EnvFrom: []corev1.EnvFromSource{{}}},
	} {
		if got, err := Environment(pod, &container); err == nil {
			t.Errorf("%s that is not known here: got %q, want an error", name, got)
		}
	}
}

// TestWrite: what is there before, between and after.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "volume")
	var links []string
	for _, files := range []map[string]string{
		{"a": "1", "b": "1"},
		{"a": "2", "b": "2"},
		{"a": "2", "b": "2"},
		{"a": "2", "deep/c": "3"},
		{},
		{"a": "4"},
	} {
		want := map[string][]byte{}
		for path, content := range files {
			want[path] = []byte(content)
		}
		if err := Write(dir, want); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for path := range files {
			content, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				t.Fatal(err)
			}
			got[path] = string(content)
		}
		if diff := cmp.Diff(files, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		visible, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
		if err != nil || len(visible) != len(files) {
			t.Errorf("for %v there are %v, %v", files, visible, err)
		}
		generations, err := filepath.Glob(filepath.Join(dir, "..generation-*"))
		if err != nil || len(generations) != 1 {
			t.Errorf("there are %v, %v; want one generation", generations, err)
		}
		link, err := os.Readlink(filepath.Join(dir, dataLink))
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, link)
	}
	if links[0] == links[1] || links[1] != links[2] {
		t.Errorf("..data pointed to %v; want a swap for a change, and none without", links)
	}
}
