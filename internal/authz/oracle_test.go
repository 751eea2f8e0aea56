package authz

import (
	"net/netip"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// The oracle is the engine as one would write it from the reference, slowly and obviously: it parses everything anew for
// each question and shares no code with the engine.

func oracleDecide(in proxyconfig.Inbound, r Request) Decision {
	mode := in.Default
	for _, m := range in.Ports {
		if m.Port == r.Destination.Port() {
			mode = m
		}
	}
	if mode.Mode == proxyconfig.Disable || !r.Peer.MTLS {
		r.Peer.Identity = ""
	}
	if mode.Mode == proxyconfig.Strict && r.Peer.Identity == "" {
		return Decision{DecidedBy: mode.DecidedBy, Rule: NoRule, Reason: ReasonPlaintextRefused}
	}
	d := oracleVerdict(in.Policies, r)
	for _, p := range in.Policies {
		if n := oracleFirst(p, r); (p.DryRun || p.Action == proxyconfig.Audit) && p.Broken == "" && n >= 0 {
			d.Reports = append(d.Reports, Report{p.Object, n, p.Action, p.DryRun})
		}
	}
	return d
}

func oracleVerdict(policies []proxyconfig.Policy, r Request) Decision {
	effective := func(a proxyconfig.Action) (some []proxyconfig.Policy) {
		for _, p := range policies {
			if p.Action == a && !p.DryRun {
				some = append(some, p)
			}
		}
		return some
	}
	for _, p := range effective(proxyconfig.Deny) {
		if p.Broken != "" {
			return Decision{DecidedBy: &p.Object, Rule: NoRule, Reason: ReasonBrokenPolicy}
		}
		if n := oracleFirst(p, r); n >= 0 {
			return Decision{DecidedBy: &p.Object, Rule: n, Reason: ReasonDenied}
		}
	}
	allows := effective(proxyconfig.Allow)
	for _, p := range allows {
		if p.Broken != "" {
			return Decision{DecidedBy: &p.Object, Rule: NoRule, Reason: ReasonBrokenPolicy}
		}
	}
	for _, p := range allows {
		if n := oracleFirst(p, r); n >= 0 {
			return Decision{Allowed: true, DecidedBy: &p.Object, Rule: n, Reason: ReasonAllowed}
		}
	}
	if len(allows) > 0 {
		return Decision{DecidedBy: &allows[0].Object, Rule: NoRule, Reason: ReasonNoAllowMatched}
	}
	return Decision{Allowed: true, Rule: NoRule, Reason: ReasonNoPolicy}
}

func oracleFirst(p proxyconfig.Policy, r Request) int {
	return slices.IndexFunc(p.Rules, func(rule policyRule) bool { return oracleRule(p.Action, rule, r) })
}

func oracleRule(action proxyconfig.Action, rule policyRule, r Request) bool {
	o := oracle{action, r}
	if action == proxyconfig.Allow && r.HTTP == nil {
		for _, to := range rule.To {
			if len(to.Hosts)+len(to.NotHosts)+len(to.Methods)+len(to.NotMethods)+len(to.Paths)+len(to.NotPaths) > 0 {
				return false
			}
		}
		for _, c := range rule.When {
			if strings.HasPrefix(c.Key, "request.") {
				return false
			}
		}
	}
	if len(rule.From) > 0 && !slices.ContainsFunc(rule.From, o.source) {
		return false
	}
	if len(rule.To) > 0 && !slices.ContainsFunc(rule.To, o.operation) {
		return false
	}
	return !slices.ContainsFunc(rule.When, func(c condition) bool { return !o.field(c.Key, c.Values, c.NotValues) })
}

type oracle struct {
	action proxyconfig.Action
	r      Request
}

func (o oracle) source(s source) bool {
	return o.field("source.principal", s.Principals, s.NotPrincipals) &&
		o.field("source.namespace", s.Namespaces, s.NotNamespaces) &&
		o.field("source.serviceAccount", s.ServiceAccounts, s.NotServiceAccounts) &&
		o.field("source.trustDomain", s.TrustDomains, s.NotTrustDomains) &&
		o.field("source.ip", s.IPBlocks, s.NotIPBlocks)
}

func (o oracle) operation(p operation) bool {
	return o.field("request.host", p.Hosts, p.NotHosts) &&
		o.field("destination.port", p.Ports, p.NotPorts) &&
		o.field("request.method", p.Methods, p.NotMethods) &&
		o.field("request.path", p.Paths, p.NotPaths)
}

func (o oracle) field(key string, values, notValues []string) bool {
	if strings.HasPrefix(key, "request.") && o.r.HTTP == nil {
		return true
	}
	if len(values) > 0 && !o.list(key, values, o.action != proxyconfig.Allow) {
		return false
	}
	return len(notValues) == 0 || !o.list(key, notValues, o.action == proxyconfig.Allow)
}

var workloadID = regexp.MustCompile(`^spiffe://([^/]+)/ns/([^/]+)/sa/([^/]+)$`)

func (o oracle) list(key string, values []string, wide bool) bool {
	id := workloadID.FindStringSubmatch(o.r.Peer.Identity)
	if id == nil {
		id = make([]string, 4)
		id[1], _, _ = strings.Cut(strings.TrimPrefix(o.r.Peer.Identity, "spiffe://"), "/")
	}
	anyGlob := func(s string) bool { return slices.ContainsFunc(values, func(v string) bool { return glob(v, s) }) }
	anyFold := func(s string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return glob(strings.ToLower(v), strings.ToLower(s)) })
	}
	switch key {
	case "source.principal":
		return anyGlob(strings.TrimPrefix(o.r.Peer.Identity, "spiffe://"))
	case "source.namespace":
		return anyGlob(id[2])
	case "source.trustDomain":
		return anyGlob(id[1])
	case "source.serviceAccount":
		return slices.Contains(values, id[2]+"/"+id[3])
	case "source.ip":
		return oracleBlocks(values, o.r.Peer.Address)
	case "destination.ip":
		return oracleBlocks(values, o.r.Destination.Addr())
	case "destination.port":
		return slices.Contains(values, strconv.Itoa(int(o.r.Destination.Port())))
	case "connection.sni":
		return anyFold(o.r.SNI)
	case "request.host":
		if h := o.r.HTTP.Host; anyFold(h) || !wide {
			return anyFold(h)
		}
		bare := regexp.MustCompile(`:[^:\]]*$`).ReplaceAllString(o.r.HTTP.Host, "")
		return anyFold(bare) || anyFold(strings.TrimSuffix(bare, "."))
	case "request.method":
		return wide && anyFold(o.r.HTTP.Method) || anyGlob(o.r.HTTP.Method)
	case "request.path":
		return slices.ContainsFunc(values, func(v string) bool { return oraclePath(v, o.r.HTTP.Path) })
	}
	name := strings.TrimSuffix(strings.TrimPrefix(key, "request.headers["), "]")
	lines := o.r.HTTP.Header[textproto.CanonicalMIMEHeaderKey(name)]
	if !wide {
		return len(lines) > 0 && !slices.ContainsFunc(lines, func(l string) bool { return !anyGlob(l) })
	}
	return slices.ContainsFunc(lines, func(l string) bool {
		return slices.Contains(values, "*") || anyGlob(l) ||
			slices.ContainsFunc(strings.Split(l, ","), func(e string) bool { return anyGlob(strings.Trim(e, " \t")) })
	})
}

func oracleBlocks(values []string, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(values, func(v string) bool {
		if !strings.Contains(v, "/") {
			return netip.MustParseAddr(v) == a
		}
		return netip.MustParsePrefix(v).Contains(a)
	})
}

// oraclePath takes values and paths in canonical spelling.
func oraclePath(value, path string) bool {
	if !strings.Contains(value, "{") {
		return glob(value, path)
	}
	expr := regexp.QuoteMeta(value)
	expr = strings.ReplaceAll(expr, `\{\*\*\}`, `.*`)
	expr = strings.ReplaceAll(expr, `\{\*\}`, `[^/]+`)
	return regexp.MustCompile(`^(?s:` + expr + `)$`).MatchString(path)
}

// glob matches with any number of *, anywhere; nothing matches the empty string.
func glob(pattern, s string) bool {
	if s == "" {
		return false
	}
	var match func(p, s string) bool
	match = func(p, s string) bool {
		if p == "" || s == "" {
			return strings.Trim(p, "*") == "" && s == ""
		}
		if p[0] == '*' {
			return match(p[1:], s) || match(p, s[1:])
		}
		return p[0] == s[0] && match(p[1:], s[1:])
	}
	return match(pattern, s)
}

// removeDotSegments is the routine of RFC 3986 section 5.2.4, letter by letter.
func removeDotSegments(in string) string {
	out := ""
	for in != "" {
		switch {
		case strings.HasPrefix(in, "/./"):
			in = in[2:]
		case in == "/.":
			in = "/"
		case strings.HasPrefix(in, "/../"), in == "/..":
			in = "/" + strings.TrimPrefix(in[3:], "/")
			out = out[:max(strings.LastIndexByte(out, '/'), 0)]
		default:
			end := strings.IndexByte(in[1:], '/') + 1
			if end == 0 {
				end = len(in)
			}
			out, in = out+in[:end], in[end:]
		}
	}
	return out
}
