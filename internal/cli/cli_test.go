package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/policy"
)

const strict = "apiVersion: warifu.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n---\n" +
	"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"

// TestExitCodes: 1 says that the policies have errors, 2 that the question could not be answered.
func TestExitCodes(t *testing.T) {
	const misspelt = "apiVersion: warifu.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtl: {}}\n"
	const warning = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
	const badMode = "apiVersion: warifu.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: {mtls: {mode: strict}}\n"
	const domain = "apiVersion: warifu.dev/v1alpha1\nkind: TrustDomain\nmetadata: {name: cluster.local}\nspec: {aliases: [OLD.org]}\n"
	const running = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {warifu.dev/injection: enabled}}\n---\n" +
		"apiVersion: v1\nkind: Pod\nmetadata: {name: old, namespace: shop, uid: u}\nspec: {containers: [{name: a, ports: [{containerPort: 80}, {containerPort: 80}]}]}\n"
	for name, tc := range map[string]struct {
		args  []string
		stdin string
		code  int
		// says is on standard error, or on standard output when the code is 0 or 1.
		says string
	}{
		"nothing wrong":                  {[]string{"validate", "-f", "-"}, strict, 0, ""},
		"warnings only":                  {[]string{"validate", "-f", "-"}, warning, 0, "0 errors, 1 warning"},
		"an error":                       {[]string{"validate", "-f", "-"}, misspelt, 1, "spec.mtl"},
		"an error of ours":               {[]string{"validate", "-f", "-"}, badMode, 1, "spec.mtls.mode"},
		"a trust domain":                 {[]string{"validate", "-f", "-"}, domain, 1, "spec.aliases[0]"},
		"roots of a trust domain":        {[]string{"validate", "-f", "-"}, strings.Replace(domain, "aliases: [OLD.org]", "additionalRoots: x", 1), 1, "spec.additionalRoots"},
		"a pod that was not injected":    {[]string{"validate", "-f", "-"}, running, 0, "Pod shop/old\n         NotInjected: "},
		"a port declared twice":          {[]string{"validate", "-f", "-"}, running, 0, "Pod shop/old  spec.containers\n         DuplicatePort: "},
		"the same in a system namespace": {[]string{"validate", "-f", "-"}, strings.ReplaceAll(running, "shop", "kube-system"), 0, "0 errors, 1 warning."},
		"unreadable YAML":                {[]string{"validate", "-f", "-"}, "{", 1, "NotReadable"},
		"several paths":                  {[]string{"validate", "-f", "testdata/shop/pods.yaml", "testdata/shop/namespaces.yaml"}, "", 0, ""},
		"no such path":                   {[]string{"validate", "-f", "testdata/missing"}, "", 2, "no such file"},
		"path without -f":                {[]string{"validate", "testdata/shop"}, "", 2, "-f"},
		"unknown flag":                   {[]string{"validate", "--nonsense"}, "", 2, "nonsense"},
		"unknown format":                 {[]string{"validate", "-f", "-", "-o", "yaml"}, strict, 2, "text or json"},
		"unknown command":                {[]string{"nonsense"}, "", 2, "nonsense"},
		"no cluster":                     {[]string{"validate", "--kubeconfig", "testdata/missing"}, "", 2, "testdata/missing"},
		"explain without --to":           {[]string{"explain", "-f", "testdata/shop"}, "", 2, "to"},
		"bad --to":                       {[]string{"explain", "-f", "testdata/shop", "--to=cart"}, "", 2, "NAMESPACE/NAME"},
		"bad port":                       {[]string{"explain", "-f", "testdata/shop", "--to=shop/cart:http"}, "", 2, "port"},
		"no such pod":                    {[]string{"explain", "-f", "testdata/shop", "--to=shop/x:1"}, "", 2, "no Pod and no Service shop/x"},
		"no such client":                 {[]string{"explain", "-f", "testdata/shop", "--to=shop/db:5432", "--from=shop/x"}, "", 2, "no Pod shop/x"},
		"several ports":                  {[]string{"explain", "-f", "testdata/shop", "--to=shop/cart-0"}, "", 0, "8080, 9229: this is about the first"},
		"no port declared":               {[]string{"explain", "-f", "testdata/shop", "--to=web/frontend"}, "", 0, "declares no TCP port"},
		"no such service port":           {[]string{"explain", "-f", "testdata/shop", "--to=shop/cart:81"}, "", 2, "80"},
		"bad identity":                   {[]string{"explain", "-f", "testdata/shop", "--to=shop/db", "--from-identity=web/frontend"}, "", 2, "spiffe"},
		"two clients":                    {[]string{"explain", "-f", "testdata/shop", "--to=shop/db", "--from=none", "--from-identity=spiffe://a/ns/b/sa/c"}, "", 2, "from"},
		"bad header":                     {[]string{"explain", "-f", "testdata/shop", "--to=shop/db", "--header=x"}, "", 2, "NAME=VALUE"},
		"bad path":                       {[]string{"explain", "-f", "testdata/shop", "--to=shop/cart-0:8080", "--path=x", "--from-identity=spiffe://cluster.local/ns/b/sa/c"}, "", 0, "BadRequest: path \"x\" is answered with 400"},
		"denied is an answer":            {[]string{"explain", "-f", "testdata/shop", "--to=shop/cart-0:8080", "--from=none"}, "", 0, "REFUSED"},
		"version":                        {[]string{"version"}, "", 0, "warifu "},
		"help":                           {[]string{"--help"}, "", 0, "explain"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(tc.stdin, tc.args...)
			if r.code != tc.code {
				t.Errorf("exit code %d, want %d\n%s%s", r.code, tc.code, r.stdout, r.stderr)
			}
			said := r.stdout
			if tc.code == exitFailure {
				said = r.stderr
			}
			if !strings.Contains(said, tc.says) {
				t.Errorf("it does not say %q:\n%s", tc.says, said)
			}
		})
	}
}

func TestValidateJSON(t *testing.T) {
	const in = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: b, namespace: shop}\n---\n" +
		"apiVersion: warifu.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: shop}\nspec: {mode: STRICT}\n"
	r := run(in, "validate", "-f", "-", "-o", "json")
	var findings []policy.Finding
	decoder := json.NewDecoder(strings.NewReader(r.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&findings); err != nil || r.code != exitFindings {
		t.Fatalf("exit code %d, %v:\n%s", r.code, err, r.stdout)
	}
	if len(findings) < 2 || findings[0].Object.Kind != "AuthorizationPolicy" || findings[0].Field != "apiVersion" ||
		!strings.Contains(findings[0].Message, "change apiVersion to warifu.dev/v1alpha1") {
		t.Errorf("findings are not ordered by object, or lack their parts: %+v", findings)
	}
	if empty := run(strict, "validate", "-f", "-", "-o", "json"); strings.TrimSpace(empty.stdout) != "[]" {
		t.Errorf("nothing found is %q, want an empty list", empty.stdout)
	}
}

// TestPlugin: kubectl finds the program by another name, and its help says how it is called then.
func TestPlugin(t *testing.T) {
	var out strings.Builder
	if code := Run("kubectl-warifu", []string{"validate", "--help"}, strings.NewReader(""), &out, &out); code != exitOK || !strings.Contains(out.String(), "kubectl warifu validate") {
		t.Errorf("exit code %d:\n%s", code, out.String())
	}
}
