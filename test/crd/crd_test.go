// Package crd tries the kinds on a real API server: what one object says about itself is accepted or refused, and refused
// with the reason and the way out.
package crd

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

// objectCase is one object in YAML without apiVersion, kind and name.
type objectCase struct {
	name string
	yaml string
	// refused is a part of the API server's message; empty: the object is accepted.
	refused string
}

func runCases(t *testing.T, kind string, cases []objectCase) {
	t.Helper()
	c := cluster.Require(t)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			object := parse(t, tc.yaml)
			object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
			object.SetName("it")
			try(t, c, object, tc.refused)
		})
	}
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{}}
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}

// try creates the object without storing it and compares the answer; refused is empty or a part of the message. The two
// lines of defence must hold together: where the API server refuses an object, the compiler finds an error in it too,
// because an object may be read from a file or have been stored before a rule existed.
func try(t *testing.T, c *cluster.Cluster, object *unstructured.Unstructured, refused string) {
	t.Helper()
	findings, malformed := check(object)
	err := create(t, c, object)
	compare(t, err, refused)
	if err == nil || malformed != nil || strings.Contains(err.Error(), "strict decoding error") {
		return // what does not decode, and fields that nobody declared, have no findings
	}
	if !slices.ContainsFunc(findings, func(f policy.Finding) bool { return f.Severity == policy.SeverityError }) {
		t.Errorf("the API server refuses the object and the compiler does not: %v\nfindings: %v", err, findings)
	}
}

// create is as strict as kubectl.
func create(t *testing.T, c *cluster.Cluster, object *unstructured.Unstructured) error {
	t.Helper()
	if object.GetKind() != v1alpha1.KindTrustDomain {
		object.SetNamespace("default")
	}
	return c.Client.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

func compare(t *testing.T, err error, refused string) {
	t.Helper()
	switch {
	case refused == "" && err != nil:
		t.Errorf("refused: %v", err)
	case refused != "" && err == nil:
		t.Errorf("accepted; want the message %q", refused)
	case refused != "" && !strings.Contains(err.Error(), refused):
		t.Errorf("message\n%v\ndoes not say\n%s", err, refused)
	}
}

// check is what the compiler says about the object alone; an error means that the object does not even decode.
func check(object *unstructured.Unstructured) ([]policy.Finding, error) {
	settings := policy.Settings{RootNamespace: "warifu-system", TrustDomain: "cluster.local", ClusterDomain: "cluster.local"}
	switch object.GetKind() {
	case v1alpha1.KindPeerAuthentication:
		return checkAs(object, settings, policy.CheckPeerAuthentication)
	case v1alpha1.KindDestinationRule:
		return checkAs(object, settings, policy.CheckDestinationRule)
	default:
		return checkAs(object, settings, policy.CheckAuthorizationPolicy)
	}
}

func checkAs[T any](object *unstructured.Unstructured, s policy.Settings, check func(*T, policy.Settings) []policy.Finding) ([]policy.Finding, error) {
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return nil, err
	}
	return check(typed, s), nil
}
