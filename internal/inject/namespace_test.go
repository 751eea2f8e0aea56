package inject

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/warifu/warifu/internal/naming"
)

func TestMisunderstood(t *testing.T) {
	tests := []struct {
		name   string
		labels map[string]string
		reason NamespaceReason
		says   string
	}{
		{"no labels", nil, "", ""},
		{"enabled", map[string]string{naming.LabelInjection: "enabled", naming.LabelDataPlane: "none"}, "", ""},
		{"disabled", map[string]string{naming.LabelInjection: "disabled", naming.LabelDataPlane: "sidecar"}, "", ""},
		{"misspelt", map[string]string{naming.LabelInjection: "enable"}, NamespaceUnknownInjection, `"enable" is not understood`},
		{"empty", map[string]string{naming.LabelInjection: ""}, NamespaceUnknownInjection, `use "enabled" or "disabled"`},
		{"of others", map[string]string{"istio-injection": "on"}, "", ""},
		{"data plane", map[string]string{naming.LabelDataPlane: "ambient"}, NamespaceUnknownDataPlane, `use "sidecar" or "none"`},
		{"both", map[string]string{naming.LabelInjection: "yes", naming.LabelDataPlane: "x"}, NamespaceUnknownInjection, `"yes"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			reason, message := Misunderstood(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: test.labels}})
			if reason != test.reason || !strings.Contains(message, test.says) || (message == "") != (reason == "") {
				t.Errorf("got %q: %s", reason, message)
			}
		})
	}
}
