package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/cli/explain"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// result is what a command line did.
type result struct {
	code           int
	stdout, stderr string
}

func run(stdin string, args ...string) result {
	var out, err bytes.Buffer
	code := Run("warifu", args, strings.NewReader(stdin), &out, &err)
	return result{code, out.String(), err.String()}
}

// answer asks and reads the JSON, strictly: its keys are an interface.
func answer(t *testing.T, stdin string, args ...string) explain.Answer {
	t.Helper()
	r := run(stdin, append([]string{"explain", "-o", "json"}, args...)...)
	if r.code != exitOK {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	var a explain.Answer
	decoder := json.NewDecoder(strings.NewReader(r.stdout))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	return a
}

// TestExplainShop asks questions about testdata/shop. want is
// "server mode, enforced? | client mode, auto? | outcome | authorisation, rule, reason | allowed?", with deciding objects after @.
func TestExplainShop(t *testing.T) {
	const frontend = "--from=web/frontend"
	for name, tc := range map[string]struct {
		args []string
		want string
		// says is part of the first reason that has one to give.
		says string
	}{
		"allowed by a rule": {[]string{"--to=shop/cart-0:8080", frontend, "--method=GET", "--path=/cart?x=1"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | yes @shop/cart-readers[1] AllowRuleMatched | yes", ""},
		"the path is normalised": {[]string{"--to=shop/cart-0:8080", frontend, "--path=/x/../cart"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | yes @shop/cart-readers[1] AllowRuleMatched | yes", ""},
		"no rule matches the method": {[]string{"--to=shop/cart-0:8080", frontend, "--method=POST", "--path=/cart"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | no @shop/cart-readers[-1] NoAllowRuleMatched | no", ""},
		"denied by a rule": {[]string{"--to=shop/cart-0:8080", frontend, "--path=/cart//admin"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | no @shop/no-admin[0] DenyRuleMatched | no", ""},
		"a TCP connection: HTTP rules allow nothing": {[]string{"--to=shop/cart-0:8080", "--from-identity=spiffe://cluster.local/ns/web/sa/reporter"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | no @shop/no-admin[0] DenyRuleMatched | no", ""},
		"by identity": {[]string{"--to=shop/cart-0:8080", "--from-identity=spiffe://cluster.local/ns/web/sa/reporter", "--path=/"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | yes @shop/cart-readers[0] AllowRuleMatched | yes", ""},
		"by an identity of an alias": {[]string{"--to=shop/cart-0:8080", "--from-identity=spiffe://old.example.org/ns/web/sa/frontend", "--path=/cart"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | yes @shop/cart-readers[1] AllowRuleMatched | yes", ""},
		"by an identity of another trust domain": {[]string{"--to=shop/cart-0:8080", "--from-identity=spiffe://elsewhere.org/ns/web/sa/frontend", "--path=/cart"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | refused | no @shop/default[-1] PlaintextRefused | no", `trust domain "elsewhere.org"`},
		"by an identity that no ServiceAccount has": {[]string{"--to=shop/cart-0:8080", "--from-identity=spiffe://cluster.local/ns/web/sa/Frontend", "--path=/cart"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | refused | no @shop/default[-1] PlaintextRefused | no", "is no ServiceAccount"},
		"plaintext to STRICT": {[]string{"--to=shop/cart-0:8080", "--from=none"},
			"STRICT@shop/default | DISABLE | refused | no @shop/default[-1] PlaintextRefused | no", "an unauthenticated client sends plaintext"},
		"no --from is a client without identity": {[]string{"--to=shop/cart-0:8080"},
			"STRICT@shop/default | DISABLE | refused | no @shop/default[-1] PlaintextRefused | no", ""},
		"made to send plaintext": {[]string{"--to=shop/cart-0:8080", frontend, "--plaintext"},
			"STRICT@shop/default | DISABLE | refused | no @shop/default[-1] PlaintextRefused | no", ""},
		"a pod without proxy": {[]string{"--to=shop/cart-0:8080", "--from=legacy/batch"},
			"STRICT@shop/default | DISABLE | refused | no @shop/default[-1] PlaintextRefused | no", "Pod legacy/batch sends plaintext"},
		"a port of its own": {[]string{"--to=shop/cart-0:9229", "--from=none"},
			"PERMISSIVE@shop/cart-debug | DISABLE | plaintext | no @shop/cart-readers[-1] NoAllowRuleMatched | no", ""},
		"through a Service": {[]string{"--to=shop/cart:80", frontend, "--path=/cart"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | yes @shop/cart-readers[1] AllowRuleMatched | yes", "port 8080 of Pod shop/cart-0"},
		"told to send plaintext": {[]string{"--to=shop/db", frontend},
			"STRICT@shop/default | DISABLE @shop/db-plain | refused | no @shop/default[-1] PlaintextRefused | no", ""},
		"told so through the Service": {[]string{"--to=shop/db:3306", frontend},
			"STRICT@shop/default | DISABLE @shop/db-plain | refused | no @shop/default[-1] PlaintextRefused | no", ""},
		"no policy at all": {[]string{"--to=legacy/new:8080", frontend},
			"PERMISSIVE | ISTIO_MUTUAL auto | mtls | yes [-1] NoPolicy | yes", ""},
		"a pod of a cluster without proxy": {[]string{"--to=shop/old", frontend},
			"STRICT@shop/default NotInjected | DISABLE auto | plaintext | yes [-1] NotEnforced | yes", ""},
		"host network": {[]string{"--to=shop/node-agent", "--from=none"},
			"STRICT@shop/default HostNetwork | DISABLE | plaintext | yes [-1] NotEnforced | yes", ""},
		"opted out": {[]string{"--to=shop/opted-out", "--from=none"},
			"STRICT@shop/default OptedOut | DISABLE | plaintext | yes [-1] NotEnforced | yes", ""},
		"not opted in": {[]string{"--to=legacy/batch", "--from=none"},
			"PERMISSIVE NotInjected | DISABLE | plaintext | yes [-1] NotEnforced | yes", ""},
		"data plane none": {[]string{"--to=shop/native", "--from=none"},
			"STRICT@shop/default DataPlaneNone | DISABLE | plaintext | yes [-1] NotEnforced | yes", ""},
		"an identity cannot be proved without a proxy": {[]string{"--to=shop/opted-out", "--from-identity=spiffe://cluster.local/ns/web/sa/x"},
			"STRICT@shop/default OptedOut | DISABLE auto | plaintext | yes [-1] NotEnforced | yes", ""},
		"excluded port": {[]string{"--to=shop/hole:9000", "--from=none"},
			"STRICT@shop/default ExcludedInboundPort | DISABLE | plaintext | yes [-1] NotEnforced | yes", ""},
		"port beside an excluded one": {[]string{"--to=shop/hole:8080", "--from=none"},
			"STRICT@shop/default | DISABLE | refused | no @shop/default[-1] PlaintextRefused | no", ""},
		"UDP": {[]string{"--to=shop/db:53", "--from=none"},
			"STRICT@shop/default NotTCP | DISABLE | plaintext | yes [-1] NotEnforced | yes", ""},
		"UDP from a pod with a proxy, which does not carry it": {[]string{"--to=shop/db:53", frontend},
			"STRICT@shop/default NotTCP | DISABLE | plaintext | yes [-1] NotEnforced | yes", ""},
		"of several ports the first": {[]string{"--to=shop/cart-0", frontend, "--path=/cart"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | yes @shop/cart-readers[1] AllowRuleMatched | yes", "port 8080 of Pod shop/cart-0"},
		"no port declared": {[]string{"--to=web/frontend", frontend},
			"PERMISSIVE | ISTIO_MUTUAL auto | mtls | yes [-1] NoPolicy | yes", "an undeclared port of Pod web/frontend"},
		"a path that no server accepts": {[]string{"--to=shop/cart-0:8080", frontend, "--path=/%00"},
			"STRICT@shop/default | ISTIO_MUTUAL auto | mtls | no [-1] BadRequest | no", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := answer(t, "", append([]string{"-f", "testdata/shop"}, tc.args...)...)
			if diff := cmp.Diff(tc.want, summary(a)); diff != "" {
				t.Errorf("-want +got:\n%s\n%+v", diff, a)
			}
			if !strings.Contains(a.Transport.Reason, tc.says) {
				t.Errorf("%q does not say %q", a.Transport.Reason, tc.says)
			}
		})
	}
}

// summary is an answer in the form of TestExplainShop.
func summary(a explain.Answer) string {
	word := func(reason string) string { w, _, _ := strings.Cut(reason, ":"); return w }
	var b strings.Builder
	b.WriteString(string(a.Inbound.Mode))
	if a.Inbound.DecidedBy != nil {
		b.WriteString("@" + a.Inbound.DecidedBy.Namespace + "/" + a.Inbound.DecidedBy.Name)
	}
	if a.Inbound.Enforced != (a.Inbound.NotEnforcedReason == "") {
		b.WriteString(" INCONSISTENT")
	}
	if !a.Inbound.Enforced {
		b.WriteString(" " + word(a.Inbound.NotEnforcedReason))
	}
	b.WriteString(" | " + string(a.Client.Mode))
	if a.Client.Auto {
		b.WriteString(" auto")
	}
	if a.Client.DecidedBy != nil {
		b.WriteString(" @" + a.Client.DecidedBy.Namespace + "/" + a.Client.DecidedBy.Name)
	}
	b.WriteString(" | " + string(a.Transport.Outcome) + " | " + yes(a.Authorization.Allowed) + " ")
	if a.Authorization.DecidedBy != nil {
		b.WriteString("@" + a.Authorization.DecidedBy.Namespace + "/" + a.Authorization.DecidedBy.Name)
	}
	raw, err := json.Marshal(a.Authorization.Rule)
	if err != nil {
		return err.Error()
	}
	b.WriteString("[" + string(raw) + "] " + word(a.Authorization.Reason) + " | " + yes(a.Allowed))
	return b.String()
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// TestExplainServerIdentity: a client that expects somebody else does not connect, however allowed it may be.
func TestExplainServerIdentity(t *testing.T) {
	manifest, from := matrixWorld("STRICT", "tcp", "auto")
	manifest += "---\napiVersion: warifu.dev/v1alpha1\nkind: DestinationRule\nmetadata: {name: r, namespace: s}\n" +
		"spec: {host: s, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, subjectAltNames: [\"spiffe://cluster.local/ns/s/sa/other\"]}}}\n"
	a := answer(t, manifest, append([]string{"-f", "-", "--to=s/server"}, from...)...)
	if a.Transport.Outcome != explain.Refused || !strings.Contains(a.Transport.Reason, "expects the server to be spiffe://cluster.local/ns/s/sa/other") || a.Allowed {
		t.Errorf("got %+v", a)
	}
}

// TestExplainTargets: what a name and a port lead to.
func TestExplainTargets(t *testing.T) {
	const world = `
apiVersion: v1
kind: Pod
metadata: {name: same, namespace: s, labels: {app: same}}
spec: {containers: [{name: c, image: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: same, namespace: s}
spec: {selector: {app: same}, ports: [{port: 80, targetPort: 8080}, {name: b, port: 81, targetPort: 9090}]}
---
apiVersion: v1
kind: Service
metadata: {name: single, namespace: s}
spec: {selector: {app: same}, ports: [{port: 90, targetPort: 8081}]}
---
apiVersion: v1
kind: Service
metadata: {name: manual, namespace: s}
spec: {ports: [{name: x, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: manual-1, namespace: s, labels: {kubernetes.io/service-name: manual}}
addressType: IPv4
ports: [{name: x, port: 7070}]
endpoints: [{addresses: [10.0.0.1], targetRef: {kind: Pod, namespace: s, name: same}}]
---
apiVersion: v1
kind: Service
metadata: {name: away, namespace: s}
spec: {type: ExternalName, externalName: example.org}
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: s}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
`
	for to, want := range map[string]string{
		"s/same":       "port 8080 of Pod s/same, behind port 80 of Service s/same",
		"s/same:8080":  "port 8080 of Pod s/same, behind port 80 of Service s/same",
		"s/same:80":    "port 8080 of Pod s/same, behind port 80 of Service s/same",
		"s/same:81":    "port 9090 of Pod s/same, behind port 81 of Service s/same",
		"s/same:12345": "port 12345 of Pod s/same",
		"s/single":     "port 8081 of Pod s/same, behind port 90 of Service s/single",
		"s/manual:80":  "port 7070 of Pod s/same, behind port 80 of Service s/manual",
		"s/away:80":    "Service s/away is an alias of example.org, outside of the cluster",
		"s/empty:80":   "no pod is behind port 80 of Service s/empty",
	} {
		r := run(world, "explain", "-f", "-", "--to", to)
		_, got, _ := strings.Cut(r.stdout, "\n  to           ")
		got, _, _ = strings.Cut(got, "\n")
		if r.code != exitOK {
			got = strings.TrimSpace(strings.TrimPrefix(r.stderr, "Error: "))
		}
		if got != want {
			t.Errorf("--to %s is %q, want %q", to, got, want)
		}
	}
}

// TestExplainAroundTheProxy: what does not go through the client's proxy is plaintext, whatever policy says.
func TestExplainAroundTheProxy(t *testing.T) {
	const world = `
apiVersion: v1
kind: Namespace
metadata: {name: s, labels: {warifu.dev/injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: dns, namespace: s, labels: {app: dns}}
spec: {containers: [{name: c, image: c, ports: [{containerPort: 53}, {containerPort: 53, protocol: UDP}, {containerPort: 9153}]}]}
status: {podIP: 10.5.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: by-port, namespace: s, annotations: {warifu.dev/exclude-outbound-ports: "80, 9153"}}
spec: {containers: [{name: c, image: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: by-range, namespace: s, annotations: {warifu.dev/exclude-outbound-cidrs: 10.5.0.0/16}}
spec: {containers: [{name: c, image: c}]}
---
apiVersion: v1
kind: Service
metadata: {name: both, namespace: s}
spec: {clusterIP: 10.9.0.1, selector: {app: dns}, ports: [{name: dns, port: 53, protocol: UDP}, {name: tcp, port: 53}, {name: http, port: 80, targetPort: 9153}]}
---
apiVersion: v1
kind: Service
metadata: {name: udp, namespace: s}
spec: {selector: {app: dns}, ports: [{port: 53, protocol: UDP}]}
---
apiVersion: warifu.dev/v1alpha1
kind: DestinationRule
metadata: {name: all, namespace: s}
spec: {host: "*", trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
`
	const (
		mutual  = "PERMISSIVE | ISTIO_MUTUAL @s/all | mtls | yes [-1] NoPolicy | yes"
		around  = "PERMISSIVE | DISABLE | plaintext | yes [-1] NoPolicy | yes"
		notMesh = "PERMISSIVE NotTCP | DISABLE | plaintext | yes [-1] NotEnforced | yes"
	)
	for _, tc := range []struct{ from, to, want string }{
		{"by-port", "s/dns:9153", around},
		{"by-port", "s/dns:53", mutual},
		{"by-port", "s/both:80", around},
		{"by-port", "s/both:53", mutual},
		{"by-range", "s/dns:9153", around},
		{"by-range", "s/both:80", mutual}, // the packets carry the address of the Service
		{"by-port", "s/udp:53", notMesh},
	} {
		if got := summary(answer(t, world, "-f", "-", "--from=s/"+tc.from, "--to="+tc.to)); got != tc.want {
			t.Errorf("from %s to %s: got %s, want %s", tc.from, tc.to, got, tc.want)
		}
	}
}

// TestExplainBrokenPolicy: an answer that passes over a policy says so.
func TestExplainBrokenPolicy(t *testing.T) {
	manifest, from := matrixWorld("Strict", "tcp", "none")
	r := run(manifest, append([]string{"explain", "-f", "-", "--to=s/server"}, from...)...)
	if r.code != exitOK || !strings.Contains(r.stderr, "Warning: PeerAuthentication s/mode: spec.mtls.mode: unknown mode") {
		t.Errorf("exit code %d, and on standard error %q", r.code, r.stderr)
	}
}

// TestExplainInsideTLS: what travels inside the client's own TLS cannot be seen, so an HTTP rule does not allow it.
func TestExplainInsideTLS(t *testing.T) {
	manifest, from := matrixWorld("PERMISSIVE", "tcp", "SIMPLE")
	manifest += "---\napiVersion: warifu.dev/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {name: get, namespace: s}\n" +
		"spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}\n"
	a := answer(t, manifest, append([]string{"-f", "-", "--to=s/server", "--method=GET"}, from...)...)
	if a.Transport.Outcome != explain.TLS || a.Authorization.Allowed || a.Allowed {
		t.Errorf("got %+v", a)
	}
}

func TestExplainGolden(t *testing.T) {
	for name, args := range map[string][]string{
		"allowed.txt":       {"--to=shop/cart:80", "--from=web/frontend", "--method=GET", "--path=/cart", "--header=x-canary=yes"},
		"denied.txt":        {"--to=shop/cart-0:8080", "--from=web/frontend", "--method=POST", "--path=/cart", "--host=cart.shop"},
		"refused.txt":       {"--to=shop/cart-0:8080", "--from=legacy/batch"},
		"not-enforced.txt":  {"--to=shop/node-agent", "--from=none"},
		"allowed.json":      {"--to=shop/cart:80", "--from=web/frontend", "--path=/cart", "-o=json"},
		"not-enforced.json": {"--to=shop/node-agent", "--from=none", "-o=json"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run("", append([]string{"explain", "-f", "testdata/shop"}, args...)...)
			if r.code != exitOK {
				t.Fatalf("exit code %d: %s", r.code, r.stderr)
			}
			golden(t, name, r.stdout)
			if lines := strings.Count(r.stdout, "\n"); lines > 24 && strings.HasSuffix(name, ".txt") {
				t.Errorf("%d lines do not fit a screen", lines)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), run with -update to accept:\n%s", path, diff)
	}
}
