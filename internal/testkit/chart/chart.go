// Package chart renders charts/warifu with Helm as a library: for the chart's tests, for the generator of config/ and for the
// demo. No helm program is needed.
package chart

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/binaries"
)

// Options of a rendering.
type Options struct {
	// Namespace of the release; naming.DefaultNamespace when empty.
	Namespace string
	// Values over the chart's defaults; their types are those of JSON.
	Values map[string]any
}

// Rendered is a chart's output.
type Rendered struct {
	// Files is the output of every template that has one, by its path in the chart (templates/...).
	Files map[string]string
	// Notes is what Helm prints after an installation.
	Notes string
}

// Dir is the chart's folder in the source tree of the working directory.
func Dir() (string, error) {
	root, err := binaries.ModuleRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "charts", "warifu"), nil
}

// Render renders the chart. The error of values that the schema refuses names the value.
func Render(o Options) (*Rendered, error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	chart, err := loader.LoadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("load chart %s: %w", dir, err)
	}
	release := common.ReleaseOptions{Name: "warifu", Namespace: cmp.Or(o.Namespace, naming.DefaultNamespace), Revision: 1, IsInstall: true}
	values, err := util.ToRenderValues(chart, o.Values, release, nil)
	if err != nil {
		return nil, fmt.Errorf("values of the chart: %w", err)
	}
	output, err := engine.Render(chart, values)
	if err != nil {
		return nil, fmt.Errorf("render the chart: %w", err)
	}
	rendered := &Rendered{Files: map[string]string{}}
	for path, content := range output {
		path = strings.TrimPrefix(path, chart.Name()+"/")
		switch {
		case filepath.Base(path) == "NOTES.txt":
			rendered.Notes = content
		case filepath.Ext(path) == ".yaml" && strings.TrimSpace(content) != "":
			rendered.Files[path] = content
		}
	}
	return rendered, nil
}

// Manifest is all objects as one YAML stream, the CRDs first: what kubectl apply takes.
func (r *Rendered) Manifest() string {
	var b strings.Builder
	paths := slices.SortedFunc(maps.Keys(r.Files), func(a, b string) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a, b))
	})
	for _, path := range paths {
		fmt.Fprintf(&b, "---\n# %s\n%s\n", path, strings.TrimSpace(r.Files[path]))
	}
	return b.String()
}

// order puts what others need first.
func order(path string) int {
	switch filepath.Base(filepath.Dir(path)) {
	case "crds":
		return 0
	case "rbac":
		return 1
	}
	return 2
}

// Objects is the objects of Manifest, in its order.
func (r *Rendered) Objects() ([]*unstructured.Unstructured, error) { return Decode(r.Manifest()) }

// Decode reads a YAML stream of objects.
func Decode(manifest string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096); ; {
		var raw runtime.RawExtension
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		object := &unstructured.Unstructured{}
		if err == nil && len(raw.Raw) > 0 { // otherwise nothing but comments
			err = object.UnmarshalJSON(raw.Raw)
			objects = append(objects, object)
		}
		if err != nil {
			return nil, fmt.Errorf("object %d of the manifest: %w", len(objects), err)
		}
	}
}
