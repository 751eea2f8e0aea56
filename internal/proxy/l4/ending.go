package l4

import (
	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxy/telemetry"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// ending is why a connection ended other than by its two ends having finished. As an error it is one that was decided about.
type ending struct {
	verdict   telemetry.Verdict
	reason    string
	detail    string
	decidedBy *proxyconfig.ObjectRef
	rule      int
	reports   []authz.Report
}

// Error is what happened, for people.
func (e *ending) Error() string { return e.reason + ": " + e.detail }

func refused(reason Reason, detail string) ending {
	return ending{verdict: telemetry.Refused, reason: string(reason), detail: detail, rule: authz.NoRule}
}

func failed(reason Reason, detail string) ending {
	return ending{verdict: telemetry.Failed, reason: string(reason), detail: detail, rule: authz.NoRule}
}

func revoked(reason Reason, detail string) ending {
	return ending{verdict: telemetry.Revoked, reason: string(reason), detail: detail, rule: authz.NoRule}
}

// deniedBy is the ending by a decision. What the mode refuses is refused by the transport, what a policy denies is denied.
func deniedBy(d authz.Decision) ending {
	e := ending{
		verdict: telemetry.Denied, reason: string(d.Reason), decidedBy: d.DecidedBy, rule: d.Rule, reports: d.Reports,
		detail: "an AuthorizationPolicy does not let this client connect",
	}
	if d.Reason == authz.ReasonPlaintextRefused {
		e.verdict = telemetry.Refused
		e.detail = "the port is STRICT and the client does not begin with TLS; give the client a proxy, or make the port PERMISSIVE"
	}
	return e
}
