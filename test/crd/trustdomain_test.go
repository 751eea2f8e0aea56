package crd

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/api/v1alpha1"
	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestTrustDomain(t *testing.T) {
	c := cluster.Require(t)
	for _, tc := range []objectCase{
		{name: "everything", yaml: `
spec:
  aliases: [old.example, old_1.example]
  issuer: {type: Builtin}
  ca: {secretName: mine, lifetime: 24h}
  workloadCertificates: {keyAlgorithm: Ed25519, lifetime: 10m}`},
		{name: "test lifetime", yaml: `spec: {workloadCertificates: {lifetime: 10s}}`},

		{name: "alias", yaml: `spec: {aliases: [Old]}`, refused: "spec.aliases[0]"},
		{name: "alias twice", yaml: `spec: {aliases: [a, a]}`, refused: "spec.aliases[1]: Duplicate value"},
		{name: "intermediate", yaml: `spec: {issuer: {type: CertManagerIntermediate, certManager: {issuerRef: {name: corporate}}}}`},
		{name: "leaf", yaml: `spec: {issuer: {type: CertManagerLeaf, certManager: {issuerRef: {name: mesh, kind: ClusterIssuer}, roots: x}}}`},
		{name: "external issuer", yaml: `spec: {issuer: {type: CertManagerIntermediate, certManager: {issuerRef: {name: corporate, kind: PCAIssuer, group: pca.example.org}}}}`},
		{name: "ready to switch back", yaml: `spec: {issuer: {type: Builtin, certManager: {issuerRef: {name: mesh, kind: ClusterIssuer}}}}`},
		{name: "no issuer named", yaml: `spec: {issuer: {type: CertManagerIntermediate}}`, refused: "certManager.issuerRef says which issuer"},
		{name: "intermediate from anybody", yaml: `spec: {issuer: {type: CertManagerIntermediate, certManager: {issuerRef: {name: corporate, kind: ClusterIssuer}}}}`, refused: "every namespace can ask a ClusterIssuer for a CA"},
		{name: "leaf without roots", yaml: `spec: {issuer: {type: CertManagerLeaf, certManager: {issuerRef: {name: mesh}}}}`, refused: "certManager.roots says whom workloads trust"},
		{name: "a kind that cert-manager does not have", yaml: `spec: {issuer: {type: CertManagerLeaf, certManager: {issuerRef: {name: mesh, kind: VaultIssuer}, roots: x}}}`, refused: "an external issuer has a group of its own"},
		{name: "issuer", yaml: `spec: {issuer: {type: Vault}}`, refused: `supported values: "Builtin"`},
		{name: "algorithm", yaml: `spec: {workloadCertificates: {keyAlgorithm: RSA}}`, refused: `supported values: "ECDSA_P256", "ECDSA_P384", "Ed25519"`},
		{name: "short lifetime", yaml: `spec: {workloadCertificates: {lifetime: 9s}}`, refused: "a workload certificate lives between 10m"},
		{name: "long lifetime", yaml: `spec: {workloadCertificates: {lifetime: 2161h}}`, refused: "a workload certificate lives between 10m"},
		{name: "short CA", yaml: `spec: {ca: {lifetime: 23h}}`, refused: "a CA lives at least 24h"},
		{name: "no duration", yaml: `spec: {ca: {lifetime: 1d}}`, refused: "spec.ca.lifetime"},
		{name: "no Secret", yaml: `spec: {ca: {secretName: ""}}`, refused: "spec.ca.secretName"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			object := parse(t, tc.yaml)
			object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.KindTrustDomain))
			object.SetName("example.test")
			compare(t, create(t, c, object), tc.refused)
		})
	}
}

func TestDefaults(t *testing.T) {
	c := cluster.Require(t)
	for kind, want := range map[string]map[string]any{
		v1alpha1.KindTrustDomain: {
			"issuer":               map[string]any{"type": "Builtin"},
			"ca":                   map[string]any{"secretName": "warifu-ca", "lifetime": "87600h"},
			"workloadCertificates": map[string]any{"keyAlgorithm": "ECDSA_P256", "lifetime": "24h"},
		},
		v1alpha1.KindAuthorizationPolicy: {"action": "ALLOW"},
		v1alpha1.KindPeerAuthentication:  {}, // no mode is not a mode: it is inherited
	} {
		object := parse(t, `spec: {}`)
		object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
		object.SetName("example.test")
		if err := create(t, c, object); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if diff := cmp.Diff(want, object.Object["spec"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}
