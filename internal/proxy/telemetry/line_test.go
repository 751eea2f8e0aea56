package telemetry

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// denied is an entry with everything in it.
func denied() Entry {
	return Entry{
		Start: time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.FixedZone("", 3600)), Duration: 1234567 * time.Nanosecond,
		Direction: Inbound, Protocol: "http/1.1",
		Source: netip.MustParseAddrPort("10.0.0.1:4000"), Destination: netip.MustParseAddrPort("[fd00::2]:8080"),
		SourceIdentity:      "spiffe://cluster.local/ns/shop/sa/cart",
		DestinationIdentity: "spiffe://cluster.local/ns/shop/sa/pay",
		Service:             "shop/pay", TLSVersion: "TLS1.3", Verdict: Denied, Reason: string(authz.ReasonDenied), Detail: "rule 0 denies it",
		DecidedBy: &proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "shop", Name: "pay"}, Rule: 0,
		Reports: []authz.Report{
			{Object: proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "shop", Name: "look"}, Rule: 2, Action: proxyconfig.Audit},
			{Object: proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "shop", Name: "try"}, Action: proxyconfig.Deny, DryRun: true},
		},
		Sent: 10, Received: 20, Method: "GET", Host: "pay.shop", Path: "/a", Status: 403, RequestID: "r1",
	}
}

func TestLine(t *testing.T) {
	full := denied()
	tests := map[string]struct {
		entry Entry
		want  string
	}{
		"everything": {full, `{"time":"2026-03-04T04:06:07.089Z","direction":"inbound","protocol":"http/1.1",` +
			`"source":{"address":"10.0.0.1:4000","identity":"spiffe://cluster.local/ns/shop/sa/cart"},` +
			`"destination":{"address":"[fd00::2]:8080","identity":"spiffe://cluster.local/ns/shop/sa/pay"},` +
			`"service":"shop/pay","tls":"TLS1.3","verdict":"denied","reason":"DenyRuleMatched","detail":"rule 0 denies it",` +
			`"decidedBy":"AuthorizationPolicy shop/pay","rule":0,` +
			`"reports":[{"policy":"AuthorizationPolicy shop/look","action":"AUDIT","rule":2,"dryRun":false},` +
			`{"policy":"AuthorizationPolicy shop/try","action":"DENY","rule":0,"dryRun":true}],` +
			`"bytes":{"sent":10,"received":20},"durationMs":1.235,` +
			`"http":{"method":"GET","host":"pay.shop","path":"/a","status":403},"requestId":"r1"}` + "\n"},
		"little": {Entry{Start: full.Start, Direction: Outbound, Protocol: "tcp", Verdict: Allowed, Rule: authz.NoRule},
			`{"time":"2026-03-04T04:06:07.089Z","direction":"outbound","protocol":"tcp","verdict":"allowed",` +
				`"bytes":{"sent":0,"received":0},"durationMs":0.000}` + "\n"},
		"a policy without a rule": {Entry{Start: full.Start, Verdict: Denied, DecidedBy: full.DecidedBy, Rule: authz.NoRule},
			`{"time":"2026-03-04T04:06:07.089Z","verdict":"denied","decidedBy":"AuthorizationPolicy shop/pay",` +
				`"bytes":{"sent":0,"received":0},"durationMs":0.000}` + "\n"},
		"a broken request": {Entry{Start: full.Start, Protocol: "http/1.1", Verdict: Refused, Rule: authz.NoRule},
			`{"time":"2026-03-04T04:06:07.089Z","protocol":"http/1.1","verdict":"refused",` +
				`"bytes":{"sent":0,"received":0},"durationMs":0.000,"http":{"status":0}}` + "\n"},
	}
	for name, test := range tests {
		got := appendLine(nil, &test.entry)
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !json.Valid(got) {
			t.Errorf("%s: no JSON", name)
		}
	}
}

func TestLogInjection(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"a second line":       {"/a\n{\"verdict\":\"allowed\"}", `/a\u000a{\"verdict\":\"allowed\"}`},
		"carriage return":     {"a\rb", `a\u000db`},
		"end of the string":   {`","verdict":"allowed`, `\",\"verdict\":\"allowed`},
		"backslash":           {`\`, `\\`},
		"NUL":                 {"a\x00b", `a\u0000b`},
		"terminal escape":     {"\x1b[2J", `\u001b[2J`},
		"DEL":                 {"\x7f", `\u007f`},
		"C1 control":          {"\u009b2J", `\u009b2J`},
		"C1 as a single byte": {"\x9b2J", `\ufffd2J`},
		"line separator":      {"a\u2028b\u2029c", `a\u2028b\u2029c`},
		"reversed text":       {"\u202egpj", `\u202egpj`},
		"hidden text":         {"a\u200bb\ufeffc", `a\u200bb\ufeffc`},
		"broken UTF-8":        {"\xff\xc3(", `\ufffd\ufffd(`},
		"overlong UTF-8":      {"\xc0\x8a", `\ufffd\ufffd`},
		"a surrogate":         {"\xed\xa0\x80", `\ufffd\ufffd\ufffd`},
		"letters":             {"größe 割符 😀", "größe 割符 😀"},
	}
	for name, test := range tests {
		e := Entry{Method: test.in, Host: test.in, Path: test.in, RequestID: test.in, Detail: test.in, SourceIdentity: test.in, Rule: authz.NoRule}
		line := string(appendLine(nil, &e))
		if got := strings.Count(line, `"`+test.want+`"`); got != 6 {
			t.Errorf("%s: %d of 6 fields escaped as %q in %s", name, got, test.want, line)
		}
		if strings.Count(line, "\n") != 1 || !json.Valid([]byte(line)) {
			t.Errorf("%s: not one line of JSON: %q", name, line)
		}
	}
}

func TestLongTextIsCut(t *testing.T) {
	e := Entry{Method: "GET", Path: strings.Repeat("é", 1<<20), Rule: authz.NoRule}
	line := appendLine(nil, &e)
	if len(line) > maxText+300 || !json.Valid(line) || !bytes.Contains(line, []byte("…")) {
		t.Errorf("%d bytes", len(line))
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("a\"\\\n\x00\xff\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		got := object(nil).quote(s)
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		if len(s) <= maxText && utf8.ValidString(s) && back != s {
			t.Fatalf("%q came back as %q", s, back)
		}
		if strings.ContainsFunc(string(got), deceives) {
			t.Fatalf("%q is not escaped", got)
		}
	})
}
