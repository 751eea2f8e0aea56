package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// asked is the request in words.
func asked(q Question) string {
	if q.HTTP == nil {
		return "a TCP connection"
	}
	words := []string{q.HTTP.Method + " " + q.HTTP.Path}
	if q.HTTP.Host != "" {
		words = append(words, "host "+q.HTTP.Host)
	}
	for _, name := range slices.Sorted(maps.Keys(q.HTTP.Header)) {
		words = append(words, name+": "+strings.Join(q.HTTP.Header[name], ", "))
	}
	return strings.Join(words, ", ")
}

// verdict is the reason of a decision: its word, and a sentence.
func verdict(d authz.Decision, config *proxyconfig.Config) string {
	var text string
	switch d.Reason {
	case authz.ReasonNoPolicy:
		text = "no ALLOW policy selects the workload, and no DENY rule matches"
	case authz.ReasonAllowed:
		text = fmt.Sprintf("rule %d of %s allows it", d.Rule, d.DecidedBy)
	case authz.ReasonDenied:
		text = fmt.Sprintf("rule %d of %s denies it", d.Rule, d.DecidedBy)
	case authz.ReasonNoAllowMatched:
		text = fmt.Sprintf("ALLOW policies select the workload and none of their rules matches (%s)", abbreviate(allowPolicies(config), 4))
	case authz.ReasonBrokenPolicy:
		text = fmt.Sprintf("%s cannot be compiled and denies what it selects: see warifu validate", d.DecidedBy)
	case authz.ReasonPlaintextRefused:
		text = "the port accepts mutual TLS only (STRICT), and the client proves no identity"
	}
	return string(d.Reason) + ": " + text
}

func allowPolicies(config *proxyconfig.Config) []string {
	var names []string
	for _, p := range config.Inbound.Policies {
		if p.Action == proxyconfig.Allow && !p.DryRun {
			names = append(names, p.Object.Namespace+"/"+p.Object.Name)
		}
	}
	return names
}

// notes say where the answer rests on something that the question left open.
func notes(q Question, c client, s server, to endpoint, config *proxyconfig.Config) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if c.notGuided != "" {
		add("no proxy guides what %s sends here (%s), so no DestinationRule holds for it and it proves no identity", c.name, sentence(c.notGuided))
	}
	if c.tls.CredentialName != "" && c.lacks == "" {
		add("the proxy of %s is given Secret %q only while the pod's ServiceAccount may read it; without it the connection is refused", c.name, c.tls.CredentialName)
	}
	switch {
	case q.HTTP != nil && !s.http:
		add("no Service declares port %d HTTP (appProtocol, or a port name such as http): it is decided as a TCP connection, where rules about HTTP allow nothing and deny more", to.port)
	case q.HTTP != nil && (c.tls.Mode == proxyconfig.ClientSimple || c.tls.Mode == proxyconfig.ClientMutual):
		add("the request travels inside the client's own TLS, where no policy can see it")
	case q.HTTP == nil && s.http:
		add("port %d is declared HTTP: every request is decided by itself; ask about one with --method and --path", to.port)
	}
	if !c.address.IsValid() && readsAddresses(config) {
		add("the client's address is not known: rules about ipBlocks are asked as if it were in none of them")
	}
	return out
}

func readsAddresses(config *proxyconfig.Config) bool {
	for _, p := range config.Inbound.Policies {
		for _, r := range p.Rules {
			if slices.ContainsFunc(r.From, func(s proxyconfig.Source) bool { return len(s.IPBlocks)+len(s.NotIPBlocks) > 0 }) ||
				slices.ContainsFunc(r.When, func(c proxyconfig.Condition) bool { return c.Key == "source.ip" }) {
				return true
			}
		}
	}
	return false
}
