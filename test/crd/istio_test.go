package crd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

// TestIstio applies policies as people write them for Istio, with another apiVersion and no other change. Each document in
// testdata/istio begins with what is to happen: "# applies", or "# refused: " and a part of the message.
func TestIstio(t *testing.T) {
	c := cluster.Require(t)
	files, err := filepath.Glob("testdata/istio/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in testdata/istio, %v", len(files), err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(content), "\n---\n") {
			want, text, _ := strings.Cut(document, "\n")
			message, refused := strings.CutPrefix(want, "# refused: ")
			if want != "# applies" && !refused {
				t.Fatalf("%s: a document begins with %q", file, want)
			}
			if !refused {
				message = ""
			}
			object := parse(t, text)
			t.Run(object.GetKind()+"/"+object.GetName(), func(t *testing.T) {
				object.SetAPIVersion(v1alpha1.GroupVersion.String())
				try(t, c, object, message)
			})
		}
	}
}

// TestFieldsOfIstio: a field that is not declared would be dropped in silence where a client does not ask for strict
// validation.
func TestFieldsOfIstio(t *testing.T) {
	c := cluster.Require(t)
	content, err := os.ReadFile("testdata/fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]apiextensionsv1.JSONSchemaProps{}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		kind, path, _ := strings.Cut(line, ".")
		if _, ok := schemas[kind]; !ok {
			schemas[kind] = schemaOf(t, c, kind)
		}
		if !declares(schemas[kind], path) {
			t.Errorf("%s is not declared", line)
		}
	}
}

func schemaOf(t *testing.T, c *cluster.Cluster, kind string) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	var crds apiextensionsv1.CustomResourceDefinitionList
	if err := c.Client.List(t.Context(), &crds); err != nil {
		t.Fatal(err)
	}
	for _, crd := range crds.Items {
		if crd.Spec.Group == v1alpha1.GroupVersion.Group && crd.Spec.Names.Kind == kind {
			return *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
		}
	}
	t.Fatalf("the API server does not know %s", kind)
	return apiextensionsv1.JSONSchemaProps{}
}

// declares follows a path such as spec.rules[].from[].source or spec.selector.matchLabels.*.
func declares(schema apiextensionsv1.JSONSchemaProps, path string) bool {
	for _, name := range strings.Split(path, ".") {
		name, list := strings.CutSuffix(name, "[]")
		if name == "*" {
			if schema.AdditionalProperties == nil || schema.AdditionalProperties.Schema == nil {
				return false
			}
			schema = *schema.AdditionalProperties.Schema
			continue
		}
		property, ok := schema.Properties[name]
		if !ok {
			return false
		}
		schema = property
		if list {
			if schema.Items == nil || schema.Items.Schema == nil {
				return false
			}
			schema = *schema.Items.Schema
		}
	}
	return true
}
