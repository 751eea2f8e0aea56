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

// TestQuickstart applies the folder as its first line says, and once more to see that nothing changes.
func TestQuickstart(t *testing.T) {
	c := cluster.Require(t)
	quickstart := filepath.Join(samples, "quickstart")
	for _, want := range []string{" created\n", " unchanged\n"} {
		out, err := c.Kubectl(t.Context(), "", "apply", "-k", quickstart)
		if err != nil {
			t.Fatalf("kubectl apply -k: %v\n%s", err, out)
		}
		if lines := strings.Count(out, "\n"); strings.Count(out, want) != lines || lines != 9 {
			t.Errorf("want 9 objects%s%s", want, out)
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
	more, err := filepath.Glob(samples + "/quickstart/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	policies := 0
	for _, file := range append(files, more...) {
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
	if policies < 6 {
		t.Errorf("only %d policies found", policies)
	}
}
