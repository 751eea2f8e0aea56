package crd

import (
	"testing"

	"github.com/warifu/warifu/api/v1alpha1"
)

func TestPeerAuthentication(t *testing.T) {
	const portMessage = "a key of portLevelMtls is a workload port: a number from 1 to 65535"
	const labelMessage = "labels are compared by equality: no empty key, and no '*' in a key or a value"
	runCases(t, v1alpha1.KindPeerAuthentication, []objectCase{
		{name: "no spec", yaml: `{}`},
		{name: "spec {}", yaml: `spec: {}`},
		{name: "selector {}", yaml: `spec: {selector: {}, mtls: {mode: STRICT}}`},
		{name: "mtls {}", yaml: `spec: {mtls: {}}`},
		{name: "null", yaml: `spec: {selector: null, mtls: null, portLevelMtls: null}`},
		{name: "integers as keys", yaml: `spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: DISABLE}, 65535: {mode: STRICT}}}`},
		{name: "port without mode", yaml: `spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {"8080": {}}}`},
		{name: "empty label value", yaml: `spec: {selector: {matchLabels: {app: ""}}, mtls: {mode: UNSET}}`},

		{name: "ports without selector", yaml: `spec: {portLevelMtls: {"8080": {mode: DISABLE}}}`,
			refused: "portLevelMtls needs a selector with matchLabels: a port belongs to a workload; say which workloads are meant, or remove portLevelMtls"},
		{name: "ports with an empty selector", yaml: `spec: {selector: {matchLabels: {}}, portLevelMtls: {"8080": {mode: DISABLE}}}`,
			refused: "portLevelMtls needs a selector with matchLabels"},
		{name: "no ports", yaml: `spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {}}`, refused: "spec.portLevelMtls"},
		{name: "port 0", yaml: `spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {"0": {mode: DISABLE}}}`, refused: portMessage},
		{name: "port 65536", yaml: `spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {"65536": {mode: DISABLE}}}`, refused: portMessage},
		{name: "port by name", yaml: `spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {http: {mode: DISABLE}}}`, refused: portMessage},
		{name: "unknown mode", yaml: `spec: {mtls: {mode: MUTUAL}}`, refused: `spec.mtls.mode: Unsupported value: "MUTUAL": supported values: "UNSET", "DISABLE", "PERMISSIVE", "STRICT"`},
		{name: "unknown mode of a port", yaml: `spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {"1": {mode: strict}}}`, refused: "spec.portLevelMtls.1.mode"},
		{name: "empty label key", yaml: `spec: {selector: {matchLabels: {"": web}}}`, refused: labelMessage},
		{name: "wildcard in a label key", yaml: `spec: {selector: {matchLabels: {"app*": web}}}`, refused: labelMessage},
		{name: "wildcard in a label value", yaml: `spec: {selector: {matchLabels: {app: "*"}}}`, refused: labelMessage},
		{name: "unknown field", yaml: `spec: {mode: STRICT}`, refused: `unknown field "spec.mode"`},
	})
}
