package crd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

const samples = "../../config/samples"

// TestSamplesApply applies the samples, workloads first, and once more to see that nothing changes.
func TestSamplesApply(t *testing.T) {
	c := cluster.Require(t)
	const objects = 14
	for _, want := range []string{" created\n", " unchanged\n"} {
		out, err := c.Kubectl(t.Context(), "", "apply", "-f", filepath.Join(samples, "workloads"), "-f", samples)
		if err != nil {
			t.Fatalf("kubectl apply: %v\n%s", err, out)
		}
		if lines := strings.Count(out, "\n"); strings.Count(out, want) != lines || lines != objects {
			t.Errorf("want %d objects%s%s", objects, want, out)
		}
	}
}

// TestSamples: the policies among the samples are accepted, and show nobody a trap.
func TestSamples(t *testing.T) {
	c := cluster.Require(t)
	files, err := filepath.Glob(samples + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	policies := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(content), "\n---\n") {
			object := parse(t, document)
			if object.GetAPIVersion() != v1alpha1.GroupVersion.String() || object.GetKind() == v1alpha1.KindTrustDomain {
				continue
			}
			policies++
			findings, err := check(object)
			if err != nil || len(findings) > 0 {
				t.Errorf("%s: %v %v", file, findings, err)
			}
			compare(t, create(t, c, object), "")
		}
	}
	if policies < 4 {
		t.Errorf("only %d policies found", policies)
	}
}
