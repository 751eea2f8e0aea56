package authz

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/warifu/warifu/internal/proxyconfig"
)

func FuzzMatchString(f *testing.F) {
	for _, seed := range [][2]string{
		{"abc", "abc"}, {"abc*", "abcd"}, {"*abc", "xabc"}, {"*", ""}, {"*", "x"}, {"a*c", "abc"}, {"A.c*", "a.CC"}, {"K", "\u212a"},
		{"**", "a"}, {"", ""}, {"\xff*", "\xffa"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, value, s string) {
		p, err := parsePattern(value)
		inner := strings.TrimSuffix(value, "*")
		if inner == value {
			inner = strings.TrimPrefix(value, "*")
		}
		if bad := value == "" || strings.Contains(inner, "*"); bad != (err != nil) {
			t.Fatalf("parsePattern(%q): %v", value, err)
		}
		if err != nil || len(s) > 200 {
			return
		}
		if got, want := p.match(s), glob(value, s); got != want {
			t.Errorf("%q matches %q = %t, want %t", value, s, got, want)
		}
		if got, want := p.folded().matchFold(s), glob(asciiLower(value), asciiLower(s)); got != want {
			t.Errorf("%q matches %q without case = %t, want %t", value, s, got, want)
		}
	})
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func FuzzMatchPathTemplate(f *testing.F) {
	for _, seed := range [][2]string{
		{"/allow/admin/{**}", "/allow/admin/a/b"}, {"/foo/{*}/bar/{**}", "/foo/buzz/bar/x"}, {"/store/{**}/cart", "/store//cart"},
		{"/{*}/", "/a/"}, {"/{**}/{*}", "/a/b"}, {"/foo/{*}.txt", "/foo/a.txt"}, {"/{**}", "/"}, {"/{*}/{*}", "/a"}, {"/a*", "/ab"}, {"/{**}/a", "/a"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, value, path string) {
		p, err := parsePath(value)
		if err != nil || len(path) > 200 || len(value) > 200 {
			return
		}
		for i := range len(value) {
			if c := value[i]; c != '{' && c != '}' && !pathByte(c) {
				return // the oracle knows only the canonical spelling
			}
		}
		if got, want := p.match(path), oraclePath(value, path); got != want {
			t.Errorf("%q matches %q = %t, want %t", value, path, got, want)
		}
	})
}

var normalForm = regexp.MustCompile(`^/([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*$`)

func FuzzNormalizePath(f *testing.F) {
	for _, seed := range []string{
		"/a/../b", "//a//", "/%2f%5C\\", "/%2e%2E/%252e", "/a?b#c", "/a#b?c", "/%", "/%00", "/..;/a", "/;/..", "/é\xff", "", "?", "a", "/a/./../..//b/.",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		path, err := NormalizePath(raw)
		if err != nil {
			if path != "" {
				t.Errorf("a path %q beside error %v", path, err)
			}
			return
		}
		if !normalForm.MatchString(path) || strings.Contains(path, "//") {
			t.Errorf("NormalizePath(%q) = %q is not in normal form", raw, path)
		}
		if again, err := NormalizePath(path); err != nil || again != path {
			t.Errorf("NormalizePath(%q) = %q, %v: not idempotent", path, again, err)
		}
		if want := oracleNormalize(raw); path != want {
			t.Errorf("NormalizePath(%q) = %q, want %q", raw, path, want)
		}
	})
}

// oracleNormalize is one simple pass after the other, for input that is no error.
func oracleNormalize(raw string) string {
	raw, _, _ = strings.Cut(raw, "?")
	raw, _, _ = strings.Cut(raw, "#")
	spelled := ""
	for i := 0; i < len(raw); i++ {
		char, escaped := raw[i:i+1], false
		if raw[i] == '%' {
			n, err := strconv.ParseUint(raw[i+1:i+3], 16, 8)
			if err != nil {
				return "bad escape"
			}
			char, escaped = string([]byte{byte(n)}), true
			i += 2
		}
		switch {
		case strings.Contains(`/\`, char):
			spelled += "/"
		case regexp.MustCompile(`^[A-Za-z0-9._~-]$`).MatchString(char), !escaped && strings.Contains("!$&'()*+,;=:@", char):
			spelled += char
		default:
			spelled += "%" + strings.ToUpper(strconv.FormatUint(uint64(char[0])+0x100, 16))[1:]
		}
	}
	path := removeDotSegments("/" + strings.TrimPrefix(spelled, "/"))
	return regexp.MustCompile(`/+`).ReplaceAllString(path, "/")
}

func FuzzDecide(f *testing.F) {
	for i := range 400 {
		var seed [32]byte
		seed[0], seed[1] = byte(i), byte(i>>8)
		data := make([]byte, 512)
		_, _ = rand.NewChaCha8(seed).Read(data)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &picker{data}
		in := p.inbound()
		e, err := Compile(in)
		if err != nil {
			t.Fatalf("Compile(%+v): %v", in, err)
		}
		for range 4 {
			r := p.request()
			if diff := cmp.Diff(oracleDecide(in, r), e.Decide(r)); diff != "" {
				t.Errorf("%+v\nasked of %+v (-oracle +engine):\n%s", r, in, diff)
			}
		}
	})
}

// picker turns bytes into configurations and requests that have a chance of meeting.
type picker struct{ data []byte }

func (p *picker) n(below int) int {
	if len(p.data) == 0 {
		return 0
	}
	b := p.data[0]
	p.data = p.data[1:]
	return int(b) % below
}

func (p *picker) of(words string) string {
	all := strings.Fields(words)
	return all[p.n(len(all))]
}

// some is often nothing, seldom several.
func (p *picker) some(words string) (values []string) {
	for range max(p.n(10)-7, 0) {
		values = append(values, p.of(words))
	}
	return values
}

// list has up to two elements, without those that came out empty: Compile refuses them.
func list[T any](p *picker, pick func() T) (all []T) {
	var empty T
	for range p.n(3) {
		if v := pick(); !cmp.Equal(v, empty) {
			all = append(all, v)
		}
	}
	return all
}

const (
	principals = "* td/ns/a/sa/x td/ns/a/* */sa/x other/id td*"
	namespaces = "* a b a* *b"
	accounts   = "a/x b/x a/x.y"
	domains    = "* td other t* *er"
	blocks     = "10.0.0.1 10.0.0.0/24 0.0.0.0/0 fe80::/10 ::/0"
	hosts      = "* a.b A.B a.b:80 a.b:* *.b [::1] [::1]:80"
	ports      = "80 81"
	methods    = "* GET get P* POST"
	paths      = "* / /a /a/* */b /a/{*} /{**}/b /{*}/b/{**}"
	headers    = "* a b a* *b a,b"
)

// conditionValues are the values of each key.
var conditionValues = []struct{ key, values string }{
	{"source.principal", principals}, {"source.namespace", namespaces}, {"source.serviceAccount", accounts},
	{"source.trustDomain", domains}, {"source.ip", blocks}, {"destination.ip", blocks}, {"destination.port", ports},
	{"connection.sni", "* a.b *.B"}, {"request.headers[x-a]", headers}, {"request.headers[X-B]", headers},
}

func (p *picker) inbound() proxyconfig.Inbound {
	modes := []proxyconfig.Mode{proxyconfig.Permissive, proxyconfig.Strict, proxyconfig.Disable}
	in := proxyconfig.Inbound{Default: proxyconfig.PortMode{Mode: modes[p.n(3)]}}
	if p.n(2) == 1 {
		object := &proxyconfig.ObjectRef{Kind: "PeerAuthentication", Name: "p"}
		in.Ports = []proxyconfig.PortMode{{Port: 80, Mode: modes[p.n(3)], DecidedBy: object}}
	}
	for i := range p.n(5) {
		policy := named(strconv.Itoa(i), []proxyconfig.Action{proxyconfig.Allow, proxyconfig.Deny, proxyconfig.Audit}[p.n(3)])
		policy.DryRun = p.n(6) == 5
		if p.n(16) == 15 {
			policy.Broken = "broken"
		}
		for range p.n(4) {
			policy.Rules = append(policy.Rules, p.rule())
		}
		in.Policies = append(in.Policies, policy)
	}
	return in
}

func (p *picker) rule() policyRule {
	r := policyRule{From: list(p, p.source), To: list(p, p.operation)}
	for range p.n(3) {
		c := conditionValues[p.n(len(conditionValues))]
		if values, notValues := p.some(c.values), p.some(c.values); len(values)+len(notValues) > 0 {
			r.When = append(r.When, condition{Key: c.key, Values: values, NotValues: notValues})
		}
	}
	return r
}

func (p *picker) source() source {
	return source{
		Principals: p.some(principals), NotPrincipals: p.some(principals),
		Namespaces: p.some(namespaces), NotNamespaces: p.some(namespaces),
		ServiceAccounts: p.some(accounts), NotServiceAccounts: p.some(accounts),
		TrustDomains: p.some(domains), NotTrustDomains: p.some(domains),
		IPBlocks: p.some(blocks), NotIPBlocks: p.some(blocks),
	}
}

func (p *picker) operation() operation {
	return operation{
		Hosts: p.some(hosts), NotHosts: p.some(hosts),
		Ports: p.some(ports), NotPorts: p.some(ports),
		Methods: p.some(methods), NotMethods: p.some(methods),
		Paths: p.some(paths), NotPaths: p.some(paths),
	}
}

func (p *picker) request() Request {
	r := Request{
		Peer: Peer{
			MTLS:     p.n(4) > 0,
			Identity: p.of("spiffe://td/ns/a/sa/x spiffe://td/ns/b/sa/x spiffe://td/ns/a/sa/x.y spiffe://td/ns/a/sa/xzy spiffe://other/id spiffe://td/ns/a/sa/x/y"),
			Address:  netip.MustParseAddr(p.of("10.0.0.1 10.0.0.2 ::ffff:10.0.0.1 fe80::1%eth0 2001:db8::1")),
		},
		Destination: netip.AddrPortFrom(netip.MustParseAddr(p.of("10.0.0.1 fe80::1")), uint16(80+p.n(2))),
		SNI:         strings.Trim(p.of("- a.b A.B c"), "-"),
	}
	if p.n(3) == 0 {
		return r
	}
	r.HTTP = &HTTP{
		Method: p.of("GET get POST Patch"),
		Host:   strings.Trim(p.of("- a.b A.b:80 a.b.:81 c.B [::1]:80 [::1]"), "-"),
		Path:   p.of("/ /a /a/b /b /a/c/b /x/b/y /a/"),
		Header: http.Header{},
	}
	for _, name := range []string{"X-A", "X-B"} {
		for range p.n(3) {
			r.HTTP.Header[name] = append(r.HTTP.Header[name], strings.Trim(p.of("- a b ab a,b c,a"), "-"))
		}
	}
	return r
}
