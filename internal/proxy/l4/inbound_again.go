package l4

import (
	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// again says why an open connection would not be let in now as it was; nil where it would.
func (a *arrival) again(r *round) *ending {
	in := &r.state.config.Inbound
	mode := in.ModeFor(a.to.Port())
	changed := revoked(ReasonModeChanged, "the port is "+string(mode.Mode)+" now; connect again")
	changed.decidedBy = mode.DecidedBy
	switch {
	case in.HTTP(a.to.Port()) != a.http:
		changed.detail = "whether the port carries HTTP has changed; connect again"
		return &changed
	case mode.Mode == proxyconfig.Disable && a.proven != nil, mode.Mode == proxyconfig.Strict && a.proven == nil:
		return &changed
	}
	if a.proven != nil {
		if err := r.verify(a.proven, r.state.accept); err != nil {
			e := revoked(ReasonTrustChanged, err.Error())
			return &e
		}
	}
	if a.http {
		return nil
	}
	a.mu.Lock()
	request := a.request()
	a.mu.Unlock()
	return revokedBy(r.state.engine.Decide(request))
}

func revokedBy(d authz.Decision) *ending {
	if d.Allowed {
		return nil
	}
	e := deniedBy(d)
	e.verdict = revoked("", "").verdict
	e.detail = "it was allowed when it began: " + e.detail
	return &e
}
