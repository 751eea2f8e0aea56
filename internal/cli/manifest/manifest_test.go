package manifest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

const group = "apiVersion: warifu.dev/v1alpha1\n"

func TestDocuments(t *testing.T) {
	for name, tc := range map[string]struct {
		in string
		// want lists "Kind namespace/name" in the order of the set.
		want []string
		// findings are "Severity Kind namespace/name field reason".
		findings []string
		message  string
	}{
		"documents, comments and what the compiler does not read": {
			in: "# nothing\n---\n" + group + "kind: PeerAuthentication\nmetadata: {name: a, namespace: shop}\n---\n" +
				"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {nonsense: 1}\n---\n\n--- # next\n" +
				"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
			want: []string{"PeerAuthentication shop/a", "Namespace shop"},
		},
		"no namespace is default": {
			in:   group + "kind: AuthorizationPolicy\nmetadata: {name: a}\n",
			want: []string{"AuthorizationPolicy default/a"},
		},
		"cluster-scoped": {
			in:   group + "kind: TrustDomain\nmetadata: {name: cluster.local, namespace: nonsense}\n",
			want: []string{"TrustDomain cluster.local"},
		},
		"JSON objects one after the other": {
			in: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}
			     {"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}`,
			want: []string{"Pod default/a", "Pod default/b"},
		},
		"lists": {
			in: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: s}\n" +
				"---\napiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: p}\n",
			want: []string{"Pod default/p", "Service default/s"},
		},
		"given more than once: the last one holds": {
			in: group + "kind: PeerAuthentication\nmetadata: {name: a}\n---\n" + group + "kind: PeerAuthentication\nmetadata: {name: b}\n---\n" +
				group + "kind: PeerAuthentication\nmetadata: {name: a, namespace: default}\n---\n" + group + "kind: PeerAuthentication\nmetadata: {name: a, namespace: other}\n",
			want:     []string{"PeerAuthentication default/b", "PeerAuthentication default/a", "PeerAuthentication other/a"},
			findings: []string{"Warning PeerAuthentication default/a metadata.name Repeated"},
		},
		"a pod that will be given a name": {
			in:   "apiVersion: v1\nkind: Pod\nmetadata: {generateName: job-}\n",
			want: []string{"Pod default/job-"},
		},
		"unknown fields of pods are Kubernetes' business": {
			in:   "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {newField: 1}\n",
			want: []string{"Pod default/p"},
		},
		"misspelt field": {
			in:       group + "kind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtls: {mode: STRICT}, portLevelMTLS: {}}\n",
			want:     []string{"PeerAuthentication default/a"},
			findings: []string{"Error PeerAuthentication default/a spec.portLevelMTLS UnknownField"},
			message:  "did you mean portLevelMtls?",
		},
		"misspelt field in a list": {
			in: group + "kind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules:\n  - to: []\n  - from:\n    - source:\n        principal: [x]\n",
			want: []string{
				"AuthorizationPolicy default/a"},
			findings: []string{"Error AuthorizationPolicy default/a spec.rules[1].from[0].source.principal UnknownField"},
			message:  "did you mean principals?",
		},
		"unknown field": {
			in:       group + "kind: PeerAuthentication\nmetadata: {name: a}\nspec: {allowList: []}\n",
			want:     []string{"PeerAuthentication default/a"},
			findings: []string{"Error PeerAuthentication default/a spec.allowList UnknownField"},
			message:  "use one of mtls, portLevelMtls, selector",
		},
		"wrong type": {
			in:       group + "kind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtls: STRICT}\n",
			findings: []string{"Error PeerAuthentication default/a spec.mtls WrongType"},
			message:  "the value is of type string where type object is expected",
		},
		"null in a list": {
			in:       group + "kind: AuthorizationPolicy\nmetadata: {name: a}\nspec:\n  rules:\n  - to: [{operation: {ports: [\"1\"]}}]\n  -\n",
			findings: []string{"Error AuthorizationPolicy default/a spec.rules[1] WrongType"},
			message:  "the list item is null",
		},
		"key given twice": {
			in:       group + "kind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtls: {mode: STRICT}, mtls: {mode: DISABLE}}\n",
			findings: []string{"Error File standard input  NotReadable"},
			message:  "already set",
		},
		"one broken document among good ones": {
			in:       "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\n{broken\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\n",
			want:     []string{"Pod default/a", "Pod default/b"},
			findings: []string{"Error File standard input  NotReadable"},
			message:  "document 2",
		},
		"not an object": {
			in:       "replicas: 2\n",
			findings: []string{"Error File standard input  NotReadable"},
			message:  "apiVersion and kind",
		},
		"Istio's apiVersion": {
			in:       "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: shop}\n",
			findings: []string{"Error PeerAuthentication shop/a apiVersion ForeignAPIVersion"},
			message:  "change apiVersion to warifu.dev/v1alpha1",
		},
		"a kind of Istio's that has no counterpart": {
			in:       "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n",
			findings: []string{"Warning VirtualService default/a kind ForeignAPIVersion"},
		},
		"unknown version": {
			in:       "apiVersion: warifu.dev/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n",
			findings: []string{"Error PeerAuthentication default/a apiVersion UnknownKind"},
			message:  "write warifu.dev/v1alpha1",
		},
		"unknown kind": {
			in:       group + "kind: Sidecar\nmetadata: {name: a}\n",
			findings: []string{"Error Sidecar default/a kind UnknownKind"},
		},
		"no name": {
			in:       group + "kind: PeerAuthentication\n",
			findings: []string{"Error PeerAuthentication default/ metadata.name NoName"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Read([]string{Stdin}, strings.NewReader(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, names(set)); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
			var findings []string
			for _, f := range set.Findings {
				findings = append(findings, strings.Join([]string{string(f.Severity), f.Object.String(), f.Field, string(f.Reason)}, " "))
			}
			if diff := cmp.Diff(tc.findings, findings); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if tc.message != "" && (len(set.Findings) == 0 || !strings.Contains(set.Findings[0].Message, tc.message)) {
				t.Errorf("findings %+v: want the message to say %q", set.Findings, tc.message)
			}
		})
	}
}

// names lists a set's objects, kind by kind.
func names(s *Set) []string {
	var out []string
	one := func(kind, namespace, name string) {
		out = append(out, proxyconfig.ObjectRef{Kind: kind, Namespace: namespace, Name: name}.String())
	}
	for _, o := range s.PeerAuthentications {
		one("PeerAuthentication", o.Namespace, o.Name)
	}
	for _, o := range s.DestinationRules {
		one("DestinationRule", o.Namespace, o.Name)
	}
	for _, o := range s.AuthorizationPolicies {
		one("AuthorizationPolicy", o.Namespace, o.Name)
	}
	for _, o := range s.TrustDomains {
		one("TrustDomain", o.Namespace, o.Name)
	}
	for _, o := range s.Namespaces {
		one("Namespace", o.Namespace, o.Name)
	}
	for _, o := range s.Pods {
		one("Pod", o.Namespace, o.Name)
	}
	for _, o := range s.Services {
		one("Service", o.Namespace, o.Name)
	}
	return out
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	pod := func(name string) string { return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\n" }
	for file, content := range map[string]string{
		"b.yaml": pod("b"), "a.yml": pod("a"), "sub/c.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"}}`,
		"README.md": "not: {a manifest", ".git/x.yaml": pod("hidden"), "named": pod("named"),
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	want := []string{"Pod default/a", "Pod default/b", "Pod default/c"}
	for name, tc := range map[string]struct {
		paths []string
		want  []string
	}{
		"folder":                  {[]string{dir}, want},
		"link to a folder":        {[]string{link}, want},
		"file of any name":        {[]string{filepath.Join(dir, "named")}, []string{"Pod default/named"}},
		"file and standard input": {[]string{filepath.Join(dir, "b.yaml"), "-"}, []string{"Pod default/b", "Pod default/stdin"}},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := Read(tc.paths, strings.NewReader(pod("stdin")))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, names(set)); diff != "" || len(set.Findings) > 0 {
				t.Errorf("objects (-want +got):\n%s\nfindings: %v", diff, set.Findings)
			}
		})
	}
	if _, err := Read([]string{filepath.Join(dir, "missing")}, nil); err == nil || !strings.HasSuffix(err.Error(), "missing: no such file or directory") {
		t.Errorf("missing path: %v", err)
	}
}

// FuzzRead: no input stops the reading with a panic, and whatever is not taken in is reported.
func FuzzRead(f *testing.F) {
	f.Add([]byte(group + "kind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtls: {mode: STRICT}}\n"))
	f.Add([]byte(`{"apiVersion":"v1","kind":"List","items":[{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}]}`))
	f.Add([]byte("{a\n---\n[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := Read([]string{Stdin}, strings.NewReader(string(data)))
		if err != nil {
			t.Fatal(err)
		}
		for _, finding := range set.Findings {
			if finding.Severity != policy.SeverityError && finding.Severity != policy.SeverityWarning || finding.Message == "" {
				t.Errorf("finding without severity or message: %+v", finding)
			}
		}
	})
}
