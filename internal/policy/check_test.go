package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/warifu/warifu/api/v1alpha1"
)

// checkSettings are those of a mesh whose trust domain is not its DNS suffix, so that mixing them up shows.
var checkSettings = Settings{
	RootNamespace: "warifu-system",
	TrustDomain:   "corp.example",
	Aliases:       []string{"old.example"},
	ClusterDomain: "cluster.local",
}

// checkCase is one object, in namespace prod unless it says otherwise, and what it says about itself.
type checkCase struct {
	name string
	yaml string
	// want is "Severity Reason field" for each finding.
	want []string
	// says is a part of the message of the first finding.
	says string
}

func runCheckCases[T any](t *testing.T, check func(*T, Settings) []Finding, cases []checkCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			object := new(T)
			text := tc.yaml
			if !strings.Contains(text, "metadata:") {
				text = "metadata: {name: it, namespace: prod}\n" + text
			}
			if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
				t.Fatal(err)
			}
			findings := check(object, checkSettings)
			var got []string
			for _, f := range findings {
				got = append(got, strings.Join([]string{string(f.Severity), string(f.Reason), f.Field}, " "))
				checkMessage(t, f)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, findings)
			}
			if tc.says != "" && (len(findings) == 0 || !strings.Contains(findings[0].Message, tc.says)) {
				t.Errorf("the message does not say %q: %v", tc.says, findings)
			}
		})
	}
}

// checkMessage holds every message to the same form: one plain sentence, lower-case or a name at its beginning, no full stop.
func checkMessage(t *testing.T, f Finding) {
	t.Helper()
	if f.Message == "" || strings.Contains(f.Message, "%!") || strings.HasSuffix(f.Message, ".") || strings.Contains(f.Message, "\n") {
		t.Errorf("malformed message %q", f.Message)
	}
	if f.Object.Name == "" || f.Object.Kind == "" {
		t.Errorf("finding without object: %+v", f)
	}
}

func TestCheckNil(t *testing.T) {
	findings := CheckPeerAuthentication(nil, Settings{})
	findings = append(findings, CheckDestinationRule(nil, Settings{})...)
	findings = append(findings, CheckAuthorizationPolicy(nil, Settings{})...)
	if len(findings) > 0 {
		t.Error(findings)
	}
}

func TestCheckPeerAuthentication(t *testing.T) {
	runCheckCases(t, CheckPeerAuthentication, []checkCase{
		{name: "namespace", yaml: `spec: {mtls: {mode: STRICT}}`},
		{name: "mesh", yaml: `
metadata: {name: default, namespace: warifu-system}
spec: {mtls: {mode: PERMISSIVE}}`},
		{name: "workload with ports", yaml: `
spec:
  selector: {matchLabels: {app: web, tier: ""}}
  mtls: {mode: STRICT}
  portLevelMtls: {"8080": {mode: DISABLE}, "65535": {mode: PERMISSIVE}}`},
		{name: "ports only", yaml: `
spec: {selector: {matchLabels: {app: web}}, portLevelMtls: {"8080": {mode: DISABLE}}}`},

		{name: "nothing", yaml: `spec: {}`, want: []string{"Warning NoEffect spec"}},
		{name: "UNSET", yaml: `spec: {mtls: {mode: UNSET}}`, want: []string{"Warning NoEffect spec"}},
		{name: "empty selector", yaml: `spec: {selector: {}, mtls: {mode: STRICT}}`,
			want: []string{"Warning EmptySelector spec.selector"}, says: "the whole namespace"},
		{name: "empty selector in the root namespace", yaml: `
metadata: {name: it, namespace: warifu-system}
spec: {selector: {matchLabels: {}}, mtls: {mode: STRICT}}`,
			want: []string{"Warning EmptySelector spec.selector"}, says: "the whole mesh"},
		{name: "selector in the root namespace", yaml: `
metadata: {name: it, namespace: warifu-system}
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}`,
			want: []string{"Error SelectorInRootNamespace spec.selector"}, says: "root namespace warifu-system"},
		{name: "ports without selector", yaml: `spec: {mtls: {mode: STRICT}, portLevelMtls: {"8080": {mode: DISABLE}}}`,
			want: []string{"Error SelectorRequired spec.portLevelMtls"}, says: "portLevelMtls needs a selector"},
		{name: "ports with an empty selector", yaml: `spec: {selector: {}, mtls: {mode: STRICT}, portLevelMtls: {"8080": {mode: DISABLE}}}`,
			want: []string{"Warning EmptySelector spec.selector", "Error SelectorRequired spec.portLevelMtls"}},
		{name: "no ports", yaml: `spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {}}`,
			want: []string{"Error Required spec.portLevelMtls"}},
		{name: "bad ports, in the order of their numbers", yaml: `
spec:
  selector: {matchLabels: {app: web}}
  portLevelMtls: {"65536": {mode: STRICT}, "0": {mode: STRICT}, "http": {mode: STRICT}, "9": {mode: STRICT}, "08": {mode: STRICT}, "-1": {mode: STRICT}, "+1": {mode: STRICT}}`,
			want: []string{
				"Error Invalid spec.portLevelMtls[0]",
				"Error Invalid spec.portLevelMtls[+1]",
				"Error Invalid spec.portLevelMtls[-1]",
				"Error Invalid spec.portLevelMtls[08]",
				"Error Invalid spec.portLevelMtls[http]",
				"Error Invalid spec.portLevelMtls[65536]",
			}, says: "a number from 1 to 65535"},
		{name: "unknown modes", yaml: `
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: strict}, portLevelMtls: {"1": {mode: MUTUAL}}}`,
			want: []string{"Error Invalid spec.mtls.mode", "Error Invalid spec.portLevelMtls[1].mode"}, says: `unknown mode "strict"`},
		{name: "port without mode", yaml: `
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}, portLevelMtls: {"1": {}, "2": {mode: UNSET}}}`,
			want: []string{"Warning NoEffect spec.portLevelMtls[1]", "Warning NoEffect spec.portLevelMtls[2]"}},
		{name: "labels", yaml: `
spec: {mtls: {mode: STRICT}, selector: {matchLabels: {"": x, "a*": x, b: "*", c: "a b", "d/e/f": x, g: ok}}}`,
			want: []string{
				"Error Invalid spec.selector.matchLabels",
				"Error Invalid spec.selector.matchLabels[a*]",
				"Error Invalid spec.selector.matchLabels[b]",
				"Warning NeverMatches spec.selector.matchLabels[c]",
				"Warning NeverMatches spec.selector.matchLabels[d/e/f]",
			}},
		{name: "label too long", yaml: `
spec: {mtls: {mode: STRICT}, selector: {matchLabels: {a: ` + strings.Repeat("x", 64) + `}}}`,
			want: []string{"Error Invalid spec.selector.matchLabels[a]"}},
		{name: "dry run", yaml: `
metadata: {name: it, namespace: prod, annotations: {istio.io/dry-run: "false", warifu.dev/dry-run: "true"}}
spec: {mtls: {mode: STRICT}}`,
			want: []string{
				"Error DryRun metadata.annotations[warifu.dev/dry-run]",
				"Error DryRun metadata.annotations[istio.io/dry-run]",
			}, says: "takes effect at once"},
	})
}

// TestCheckWithoutSettings: facts that are not known are not guessed.
func TestCheckWithoutSettings(t *testing.T) {
	pa := &v1alpha1.PeerAuthentication{Spec: v1alpha1.PeerAuthenticationSpec{
		Selector: &v1alpha1.WorkloadSelector{MatchLabels: map[string]v1alpha1.LabelValue{"a": "b"}},
		MTLS:     &v1alpha1.MutualTLS{Mode: v1alpha1.MutualTLSStrict},
	}}
	findings := CheckPeerAuthentication(pa, Settings{})
	dr := &v1alpha1.DestinationRule{Spec: v1alpha1.DestinationRuleSpec{Host: "reviews.prod"}}
	findings = append(findings, CheckDestinationRule(dr, Settings{})...)
	ap := &v1alpha1.AuthorizationPolicy{Spec: v1alpha1.AuthorizationPolicySpec{Rules: []v1alpha1.Rule{{
		From: []v1alpha1.From{{Source: &v1alpha1.Source{Principals: []string{"x/ns/a/sa/b"}}}},
	}}}}
	findings = append(findings, CheckAuthorizationPolicy(ap, Settings{})...)
	if len(findings) > 0 {
		t.Error(findings)
	}
}
