package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// Reasons for which a proxied pod does not enforce policies on one port.
const (
	// excludedPort: the pod's annotation keeps the port away from the proxy.
	excludedPort policy.NotProxiedReason = "ExcludedInboundPort"
	// excludedOutbound: the same at the client, by port or by range of addresses.
	excludedOutbound policy.NotProxiedReason = "ExcludedOutbound"
	// notTCP: the port is UDP or SCTP, and only TCP is redirected.
	notTCP policy.NotProxiedReason = "NotTCP"
)

// Explain answers a question. The error is about the question: something that it names does not exist, or it is ambiguous.
func Explain(v *View, q Question) (*Answer, error) {
	to, err := v.resolve(q.To, q.From.Pod)
	if err != nil {
		return nil, err
	}
	config, ok := v.Index.Compile(nameOf(to.workload))
	if !ok {
		return nil, fmt.Errorf("Pod %s is not known to the compiler", nameOf(to.workload))
	}
	mode := config.Inbound.ModeFor(to.port)
	s := server{
		name:         to.name(),
		mode:         mode.Mode,
		notEnforced:  notEnforced(to),
		http:         to.tcp && config.Inbound.HTTP(to.port),
		identity:     config.Identity,
		trustDomains: config.TrustDomains,
	}
	c, err := v.client(q, to, s)
	if err != nil {
		return nil, err
	}
	answer := &Answer{
		Inbound:   Inbound{Mode: s.mode, Enforced: s.notEnforced == "", NotEnforcedReason: sentence(s.notEnforced), DecidedBy: mode.DecidedBy},
		Client:    Client{Mode: c.tls.Mode, Auto: c.tls.Auto, DecidedBy: c.tls.DecidedBy},
		Transport: meet(c, s, to),
		From:      c.name, To: s.name, Asked: asked(q),
		Notes: append(to.notes, notes(q, c, s, to, config)...),
	}
	if to.dialled.Service.Name != "" {
		answer.To += fmt.Sprintf(", behind port %d of Service %s", to.dialled.Port, to.dialled.Service)
	}
	if err := answer.authorize(q, to, c, s, config); err != nil {
		return nil, err
	}
	answer.Allowed = answer.Transport.Outcome != Refused && answer.Authorization.Allowed
	return answer, nil
}

// notEnforced says why nothing enforces policies at an endpoint; empty when the proxy does.
func notEnforced(to endpoint) policy.NotProxiedReason {
	w := to.workload
	switch {
	case !w.Proxied:
		return w.NotProxied
	case slices.Contains(w.ExcludedInboundPorts, to.port):
		return excludedPort
	case !to.tcp:
		return notTCP
	}
	return ""
}

// notGuided says why no proxy guides a client's connection; empty when its own does.
func (v *View) notGuided(w policy.Workload, to endpoint) policy.NotProxiedReason {
	excluded := v.Outbound[nameOf(w)]
	inRange := func(p netip.Prefix) bool { return p.Contains(to.address.Addr()) }
	switch {
	case !w.Proxied:
		return w.NotProxied
	case !to.tcp:
		return notTCP
	case slices.Contains(excluded.OutboundPorts, to.address.Port()), slices.ContainsFunc(excluded.OutboundCIDRs, inRange):
		return excludedOutbound
	}
	return ""
}

// sentence is a reason for people, after its word for programs.
func sentence(r policy.NotProxiedReason) string {
	text := map[policy.NotProxiedReason]string{
		policy.NotProxiedNotInjected: "the pod has no proxy; opt its namespace in and create the pod again",
		policy.NotProxiedOptedOut:    "the pod or its namespace opted out",
		policy.NotProxiedHostNetwork: "the pod uses the node's network, which no proxy of the pod can guard",
		policy.NotProxiedNoDataPlane: "the pod has data plane none: it is given identity and mode, and its application does TLS itself",
		excludedPort:                 "an annotation of the pod keeps the port away from the proxy",
		excludedOutbound:             "an annotation of the pod keeps what it dials away from its proxy",
		notTCP:                       "only TCP goes through the proxy",
	}[r]
	if text == "" {
		return string(r)
	}
	return string(r) + ": " + text
}

// client is who dials, and how it begins.
func (v *View) client(q Question, to endpoint, s server) (client, error) {
	c := client{name: "an unauthenticated client", tls: proxyconfig.ClientTLS{Mode: proxyconfig.ClientDisable}}
	switch {
	case !q.From.Identity.IsZero() || q.From.Stranger != "":
		id := q.From.Identity
		c.identity, c.trustDomain = cmp.Or(id.String(), q.From.Stranger), string(id.TrustDomain())
		c.name, c.stranger = "a peer that is "+c.identity, id.IsZero()
		c.tls.Auto = true
		if s.notEnforced == "" && s.mode != proxyconfig.Disable {
			c.tls.Mode, c.tls.Identities = proxyconfig.ClientIstioMutual, []string{s.identity}
		}
	case q.From.Pod.Name != "":
		if err := v.clientPod(&c, q.From.Pod, to); err != nil {
			return client{}, err
		}
	}
	if q.Plaintext {
		c.tls, c.lacks = proxyconfig.ClientTLS{Mode: proxyconfig.ClientDisable}, ""
	}
	return c, nil
}

func (v *View) clientPod(c *client, name types.NamespacedName, to endpoint) error {
	w, ok := v.Index.Workload(name)
	if !ok {
		return fmt.Errorf("there is no Pod %s to ask from", name)
	}
	c.name = "Pod " + name.String()
	if len(w.IPs) > 0 {
		c.address = w.IPs[0]
	}
	if c.notGuided = v.notGuided(w, to); c.notGuided != "" {
		return nil
	}
	id, err := identity.Parse(v.Index.CompileFor(w).Identity)
	if err != nil {
		return fmt.Errorf("identity of Pod %s: %w", name, err)
	}
	c.identity, c.trustDomain = id.String(), string(id.TrustDomain())
	c.tls = v.Index.Client(w, to.dialled)
	c.lacks = v.lacking(name, c.tls)
	return nil
}

// authorize asks the decision engine what it would be asked at the endpoint.
func (a *Answer) authorize(q Question, to endpoint, c client, s server, config *proxyconfig.Config) error {
	if to.unreachable != "" || c.lacks != "" {
		a.Authorization = notReached()
		return nil
	}
	if s.notEnforced != "" {
		a.Authorization = Authorization{Allowed: true, Rule: authz.NoRule,
			Reason: fmt.Sprintf("NotEnforced: nothing asks authorization policies at %s (%s)", s.name, s.notEnforced)}
		return nil
	}
	engine, err := authz.Compile(config.Inbound)
	if err != nil {
		return fmt.Errorf("compile the policies of Pod %s: %w", nameOf(to.workload), err)
	}
	request := a.request(to, c, s)
	if q.HTTP != nil && s.http && (a.Transport.Outcome == MTLS || a.Transport.Outcome == Plaintext) {
		if request.HTTP, err = normalized(q.HTTP); err != nil {
			a.Authorization = Authorization{Rule: authz.NoRule,
				Reason: fmt.Sprintf("BadRequest: path %q is answered with 400 before any policy is asked: %v", q.HTTP.Path, err)}
			return nil
		}
	}
	decision := engine.Decide(request)
	if a.Transport.Outcome == Refused && decision.Reason != authz.ReasonPlaintextRefused {
		a.Authorization = notReached()
		return nil
	}
	a.Authorization = Authorization{Allowed: decision.Allowed, DecidedBy: decision.DecidedBy, Rule: decision.Rule, Reason: verdict(decision, config)}
	a.Reports = decision.Reports
	return nil
}

// request is what the engine is asked, but for HTTP.
func (a *Answer) request(to endpoint, c client, s server) authz.Request {
	request := authz.Request{Peer: authz.Peer{Address: c.address}, Destination: netip.AddrPortFrom(firstOf(to.workload.IPs), to.port)}
	if a.Transport.Outcome == MTLS {
		request.Peer.MTLS, request.Peer.Identity = true, c.identity
	}
	if a.Transport.Outcome == MTLS || a.Transport.Outcome == TLS && s.mode != proxyconfig.Disable { // where bytes pass unread
		request.SNI = c.tls.SNI
	}
	return request
}

func notReached() Authorization {
	return Authorization{Rule: authz.NoRule, Reason: "NotReached: the connection is refused before any policy is asked"}
}

func normalized(h *authz.HTTP) (*authz.HTTP, error) {
	path, err := authz.NormalizePath(h.Path)
	if err != nil {
		return nil, err
	}
	out := *h
	out.Path = path
	return &out, nil
}

func nameOf(w policy.Workload) types.NamespacedName {
	return types.NamespacedName{Namespace: w.Namespace, Name: w.Name}
}

func firstOf(addresses []netip.Addr) netip.Addr {
	if len(addresses) == 0 {
		return netip.Addr{}
	}
	return addresses[0]
}
