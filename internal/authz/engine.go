package authz

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// Engine is the compiled inbound policy of one workload. It never changes, so any number of goroutines may use it.
type Engine struct {
	modes proxyconfig.Inbound // without policies
	deny  []policy
	allow []policy
	// watch are the policies that are reported and decide nothing: AUDIT and every dry-run.
	watch []policy
	// headers: some rule reads a header.
	headers bool
}

// policy is a compiled policy.
type policy struct {
	object proxyconfig.ObjectRef
	action proxyconfig.Action
	dryRun bool
	broken bool
	rules  []rule
}

// facts are a request in the form that checks read, made once a decision.
type facts struct {
	peer        peerIdentity
	source      netip.Addr
	destination netip.Addr
	port        uint16
	sni         string
	http        *HTTP
}

// Compile parses everything that a decision needs. It is strict: what it does not understand is an error that names the
// object and the field, since a rule or a value left out would change who gets in.
func Compile(in proxyconfig.Inbound) (*Engine, error) {
	e := &Engine{modes: proxyconfig.Inbound{Default: in.Default, Ports: slices.Clone(in.Ports)}}
	for _, m := range append([]proxyconfig.PortMode{in.Default}, in.Ports...) {
		if err := checkMode(m); err != nil {
			return nil, err
		}
	}
	for _, p := range in.Policies {
		compiled, err := compilePolicy(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Object, err)
		}
		e.headers = e.headers || compiled.readsHeaders()
		switch {
		case p.DryRun || p.Action == proxyconfig.Audit:
			e.watch = append(e.watch, compiled)
		case p.Action == proxyconfig.Deny:
			e.deny = append(e.deny, compiled)
		default:
			e.allow = append(e.allow, compiled)
		}
	}
	return e, nil
}

func checkMode(m proxyconfig.PortMode) error {
	switch m.Mode {
	case proxyconfig.Strict, proxyconfig.Permissive, proxyconfig.Disable:
		return nil
	}
	where := "the default"
	if m.Port != 0 {
		where = fmt.Sprintf("port %d", m.Port)
	}
	if m.DecidedBy != nil {
		where += " by " + m.DecidedBy.String()
	}
	return fmt.Errorf("inbound mode of %s: %q is not STRICT, PERMISSIVE or DISABLE", where, m.Mode)
}

func compilePolicy(in proxyconfig.Policy) (policy, error) {
	switch in.Action {
	case proxyconfig.Allow, proxyconfig.Deny, proxyconfig.Audit:
	default:
		return policy{}, fmt.Errorf("spec.action: %q is not ALLOW, DENY or AUDIT", in.Action)
	}
	out := policy{object: in.Object, action: in.Action, dryRun: in.DryRun, broken: in.Broken != ""}
	if out.broken {
		return out, nil
	}
	for i, r := range in.Rules {
		compiled, err := compileRule(in.Action, r)
		if err != nil {
			return policy{}, fmt.Errorf("spec.rules[%d].%w", i, err)
		}
		out.rules = append(out.rules, compiled)
	}
	return out, nil
}

// Decide answers one question. The mode of the port comes first; then DENY, then ALLOW, each in the order of the
// configuration, so the same question always names the same object and rule. What the mode refuses is not a request yet
// and is not reported; all else is reported whatever the verdict.
//
// It allocates only to report. The Decision points into the Engine: its reader must not change it.
func (e *Engine) Decide(r Request) Decision {
	mode := e.modes.ModeFor(r.Destination.Port())
	f := gather(r, mode.Mode)
	if mode.Mode == proxyconfig.Strict && f.peer.principal == "" {
		return Decision{DecidedBy: mode.DecidedBy, Rule: NoRule, Reason: ReasonPlaintextRefused}
	}
	d := e.verdict(&f)
	d.Reports = e.reports(&f)
	return d
}

// gather takes an identity only from a peer that proved one, on a port that asks for it.
func gather(r Request, mode proxyconfig.Mode) facts {
	f := facts{
		source:      plain(r.Peer.Address),
		destination: plain(r.Destination.Addr()),
		port:        r.Destination.Port(),
		sni:         r.SNI,
		http:        r.HTTP,
	}
	if r.Peer.MTLS && mode != proxyconfig.Disable {
		f.peer = splitIdentity(r.Peer.Identity)
	}
	return f
}

// ReadsHeaders says whether any policy, reports included, asks about header fields. Where none does, HTTP.Header may be left
// out, and the decision is the same.
func (e *Engine) ReadsHeaders() bool { return e.headers }

func (p *policy) readsHeaders() bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool {
		return slices.ContainsFunc(r.when, func(c check) bool { return c.attr == requestHeader })
	})
}

func (e *Engine) verdict(f *facts) Decision {
	for i := range e.deny {
		p := &e.deny[i]
		if p.broken {
			return p.decision(false, NoRule, ReasonBrokenPolicy)
		}
		if n := p.firstMatch(f); n != NoRule {
			return p.decision(false, n, ReasonDenied)
		}
	}
	// A broken ALLOW might have been the one that was meant to narrow; no other ALLOW makes up for it.
	for i := range e.allow {
		if p := &e.allow[i]; p.broken {
			return p.decision(false, NoRule, ReasonBrokenPolicy)
		}
	}
	for i := range e.allow {
		p := &e.allow[i]
		if n := p.firstMatch(f); n != NoRule {
			return p.decision(true, n, ReasonAllowed)
		}
	}
	if len(e.allow) > 0 {
		return e.allow[0].decision(false, NoRule, ReasonNoAllowMatched)
	}
	return Decision{Allowed: true, Rule: NoRule, Reason: ReasonNoPolicy}
}

func (e *Engine) reports(f *facts) []Report {
	var reports []Report
	for i := range e.watch {
		p := &e.watch[i]
		if n := p.firstMatch(f); n != NoRule {
			reports = append(reports, Report{Object: p.object, Rule: n, Action: p.action, DryRun: p.dryRun})
		}
	}
	return reports
}

func (p *policy) decision(allowed bool, rule int, reason Reason) Decision {
	return Decision{Allowed: allowed, DecidedBy: &p.object, Rule: rule, Reason: reason}
}

// firstMatch is the index of the first rule that matches, or NoRule.
func (p *policy) firstMatch(f *facts) int {
	for i := range p.rules {
		r := &p.rules[i]
		if r.httpOnly && f.http == nil && p.action == proxyconfig.Allow {
			continue
		}
		if r.matches(f) {
			return i
		}
	}
	return NoRule
}
