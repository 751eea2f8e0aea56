package policy

import "github.com/warifu/warifu/internal/proxyconfig"

// ways are the ways of one client to begin with the endpoints of one destination: Client's answers, each once.
type ways struct {
	s *state
	d dialled
	// rule that chose tls; without a choice it is automatic, for each endpoint.
	rule *destinationRule
	tls  *proxyconfig.ClientTLS

	table []proxyconfig.ClientTLS
	index map[way]int
}

// way is all in which the choice for one endpoint may differ from that for another of the same destination.
type way struct {
	// mutual is the automatic choice.
	mutual bool
	// own is the account of an endpoint whose identity is not among the destination's.
	own account
}

func (s *state) waysTo(client *Workload, t target) *ways {
	to := Destination{Host: t.dialled.Addr().String(), Port: t.dialled.Port()}
	if t.service != nil {
		to = Destination{Service: t.service.name(), Port: t.port.Port}
	}
	out := &ways{s: s, d: s.dialled(to), index: map[way]int{}}
	out.rule, out.tls = s.choiceOf(client, out.d)
	return out
}

// begin is the index in the table of how to begin with an endpoint.
func (x *ways) begin(w *workload, port uint16) int {
	var key way
	if x.tls == nil {
		key.mutual = x.s.speaksMutualTLS(w, port)
	}
	if w != nil && (key.mutual || x.tls != nil && x.tls.Mode == proxyconfig.ClientIstioMutual) && !x.s.proves(x.d, w.account()) {
		key.own = w.account()
	}
	i, known := x.index[key]
	if !known {
		i = len(x.table)
		x.index[key] = i
		d := x.d
		d.workload, d.WorkloadPort = w, port
		x.table = append(x.table, x.s.choose(x.rule, x.tls, d))
	}
	return i
}
