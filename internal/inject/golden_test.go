package inject

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write testdata/*.out.yaml instead of comparing with it")

// TestGolden injects the pods of testdata/*.in.yaml, each with its namespace before it.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.yaml"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			namespace, pod, found := bytes.Cut(text, []byte("\n---\n"))
			if !found {
				t.Fatal("a namespace, then a pod, are wanted")
			}
			in := input()
			in.Namespace, in.Pod = &corev1.Namespace{}, &corev1.Pod{}
			if err := yaml.UnmarshalStrict(namespace, in.Namespace); err != nil {
				t.Fatal(err)
			}
			if err := yaml.UnmarshalStrict(pod, in.Pod); err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(mustInject(t, in))
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".in.yaml") + ".out.yaml"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
