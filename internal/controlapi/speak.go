package controlapi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// fullLine is when a line takes no more answers, in bytes.
const fullLine = 1 << 20

// scanPause is how long addresses beyond the limit wait before more of them are let through.
const scanPause = 50 * time.Millisecond

// line is a proxyconfig.Tell whose parts are encoded already, because they were compared so.
type line struct {
	Revision    uint64                   `json:"revision,omitempty"`
	AsOf        proxyconfig.AsOf         `json:"asOf,omitempty"`
	Config      json.RawMessage          `json:"config,omitempty"`
	Addresses   []json.RawMessage        `json:"addresses,omitempty"`
	Credentials []proxyconfig.Credential `json:"credentials,omitempty"`
}

// lineWriter writes lines, each within a time and at once.
type lineWriter struct {
	to      http.ResponseWriter
	control *http.ResponseController
}

func (w *lineWriter) write(l *line) error {
	raw, err := wire.Encode(l)
	if err != nil {
		return err
	}
	if err := w.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := w.to.Write(raw); err != nil {
		return err
	}
	if err := w.control.Flush(); err != nil {
		return err
	}
	return w.control.SetWriteDeadline(time.Time{})
}

// speaker is the telling half of one stream.
type speaker struct {
	*Server
	session *session
	out     *lineWriter
	// sum of the configuration that was told last.
	sum [sha256.Size]byte
}

// speak tells what there is to tell, until ctx ends or the proxy does not take it.
func (s *Server) speak(ctx context.Context, session *session, out *lineWriter) error {
	p := &speaker{Server: s, session: session, out: out}
	life := time.NewTicker(wire.SignOfLife)
	defer life.Stop()
	var later <-chan time.Time
	for {
		more, err := p.tell()
		if err != nil {
			return err
		}
		if later = nil; more {
			later = time.After(scanPause)
		}
		if err := p.wait(ctx, life.C, later); err != nil {
			return err
		}
	}
}

// wait returns when there may be something to tell.
func (p *speaker) wait(ctx context.Context, life, later <-chan time.Time) error {
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.session.asked:
			return nil
		case <-later:
			return nil
		case <-settled:
			return nil
		case <-p.session.changed:
			if settled == nil { // changes come in crowds
				settled = time.After(settle)
			}
		case <-life:
			if err := p.checkPod(p.session); err != nil {
				return err
			}
			if err := p.out.write(&line{AsOf: p.options.Feed.AsOf()}); err != nil {
				return err
			}
		}
	}
}

// tell works out and sends what has changed; more says that the rest is for later.
func (p *speaker) tell() (more bool, err error) {
	work := p.session.begin()
	defer p.session.finish()
	if work.config { // whatever else concerns the pod itself comes with it
		if err := p.checkPod(p.session); err != nil {
			return false, err
		}
	}
	l := &line{AsOf: p.options.Feed.AsOf(), Credentials: work.credentials}
	if work.config {
		if l.Config, err = p.config(); err != nil {
			return false, err
		}
	}
	workload, known := policy.Workload{}, false
	if len(work.addresses) > 0 {
		workload, known = p.options.Index.Workload(p.session.pod)
	}
	size, named := len(l.Config), false
	for _, address := range work.addresses {
		if !known {
			break // the pod is going, and the stream with it
		}
		raw, names, err := p.address(workload, address)
		if err != nil {
			return false, err
		}
		named = named || names
		if raw == nil {
			continue
		}
		l.Addresses = append(l.Addresses, raw)
		if size += len(raw); size >= fullLine {
			if err := p.send(l); err != nil {
				return false, err
			}
			l, size = &line{AsOf: l.AsOf}, 0
		}
	}
	if named { // credentials may be read, or not any more
		raise(p.session.credentialsAsked)
	}
	return work.more, p.send(l)
}

// send sends a line that tells anything.
func (p *speaker) send(l *line) error {
	if l.Config == nil && len(l.Addresses) == 0 && len(l.Credentials) == 0 {
		return nil
	}
	for what, told := range map[string]bool{toldConfig: l.Config != nil, toldAddresses: len(l.Addresses) > 0, toldCredentials: len(l.Credentials) > 0} {
		if told {
			tells.WithLabelValues(what).Inc()
		}
	}
	l.Revision = p.session.sending(l.Config != nil)
	return p.out.write(l)
}

// config is the configuration, nil where it is the one that was told last.
func (p *speaker) config() (json.RawMessage, error) {
	config, known := p.options.Index.Compile(p.session.pod)
	if !known {
		return nil, refusef(http.StatusServiceUnavailable, refusedPod, "pod %s is gone", p.session.pod)
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	if sum == p.sum {
		return nil, nil
	}
	p.sum = sum
	return raw, nil
}

// address is the answer about one address, nil where it is the one that was told last, and whether the credentials that it
// names are others.
func (p *speaker) address(client policy.Workload, address netip.AddrPort) (json.RawMessage, bool, error) {
	before, watched := p.session.before(address)
	if !watched {
		return nil, false, nil
	}
	lookups.Inc()
	if !before.linked { // before the index is asked, so that no change is missed
		p.hub.watchAddress(p.session, address)
	}
	answer, service := p.options.Index.Lookup(client, address), before.service
	for answer.Service != service {
		p.hub.watchService(p.session, address, service, answer.Service)
		service = answer.Service
		answer = p.options.Index.Lookup(client, address)
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		return nil, false, err
	}
	now := told{sum: sha256.Sum256(raw), linked: true, service: service, credentials: credentialsOf(&answer)}
	if !p.session.tell(address, now) {
		p.hub.forget(p.session, address, service)
		return nil, false, nil
	}
	if now.sum == before.sum {
		return nil, false, nil
	}
	return raw, !slices.Equal(now.credentials, before.credentials), nil
}

// credentialsOf are the credentials that an answer names, sorted.
func credentialsOf(answer *proxyconfig.Address) []string {
	var out []string
	for _, way := range answer.TLS {
		if way.CredentialName != "" {
			out = append(out, way.CredentialName)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
