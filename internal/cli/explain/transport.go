package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/warifu/warifu/internal/policy"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// client is the end that dials.
type client struct {
	// name in sentences.
	name string
	// tls is how it begins.
	tls proxyconfig.ClientTLS
	// lacks says what the client's proxy lacks to begin so; empty when nothing.
	lacks string
	// identity that it proves when it begins mutual TLS of the mesh; trustDomain of that identity.
	identity, trustDomain string
	// stranger is true when identity is no ServiceAccount's.
	stranger bool
	// address that it dials from, where that is known.
	address netip.Addr
	// notGuided says why no proxy guides a pod's connection; empty when one does, and for a client that is no pod.
	notGuided policy.NotProxiedReason
}

// server is the end that is dialled.
type server struct {
	// name in sentences, the port included.
	name string
	mode proxyconfig.Mode
	// notEnforced says why nothing enforces mode; empty when something does.
	notEnforced policy.NotProxiedReason
	// http is true where the port is declared HTTP.
	http bool
	// identity that it proves.
	identity string
	// trustDomains whose peers it accepts.
	trustDomains []string
}

// meet is transport, for those who come so far as to meet.
func meet(c client, s server, to endpoint) Transport {
	switch {
	case to.unreachable != "":
		return Transport{Outcome: Refused, Reason: to.unreachable}
	case c.lacks != "":
		return outcome(Refused, "the proxy of %s refuses to begin %s: %s", c.name, c.tls.Mode, c.lacks)
	default:
		return transport(c, s)
	}
}

// transport says how the two meet: the table of docs/compatibility.md, server modes against what a client begins with.
func transport(c client, s server) Transport {
	switch c.tls.Mode {
	case proxyconfig.ClientIstioMutual:
		return meshTLS(c, s)
	case proxyconfig.ClientSimple, proxyconfig.ClientMutual:
		return ownTLS(c, s)
	default:
		return plaintext(c, s)
	}
}

// plaintext: refused by STRICT, fine everywhere else.
func plaintext(c client, s server) Transport {
	switch {
	case s.notEnforced != "":
		return outcome(Plaintext, "%s sends plaintext, and nothing at %s asks for more", c.name, s.name)
	case s.mode == proxyconfig.Strict:
		return outcome(Refused, "%s sends plaintext, and %s accepts mutual TLS only (STRICT)", c.name, s.name)
	default:
		return outcome(Plaintext, "%s sends plaintext, and %s accepts it (%s)", c.name, s.name, s.mode)
	}
}

// meshTLS: both ends prove a SPIFFE ID, where the server can and the IDs are the ones expected.
func meshTLS(c client, s server) Transport {
	switch {
	case s.notEnforced == policy.NotProxiedNoDataPlane:
		// The application holds the workload certificate and terminates TLS itself, if it follows its mode.
	case s.notEnforced != "":
		return outcome(Refused, "%s begins mutual TLS, and %s has no proxy to answer the handshake (%s)", c.name, s.name, s.notEnforced)
	case s.mode == proxyconfig.Disable && s.http:
		return outcome(Refused, "%s begins mutual TLS, and %s, declared HTTP, expects plaintext (DISABLE)", c.name, s.name)
	case s.mode == proxyconfig.Disable:
		return outcome(Refused, "%s begins mutual TLS, and %s hands it to the application unread (DISABLE)", c.name, s.name)
	}
	if c.stranger {
		return outcome(Refused, "%s is no ServiceAccount, and %s accepts spiffe://<trust domain>/ns/<namespace>/sa/<service account> only", c.name, s.name)
	}
	if !slices.Contains(s.trustDomains, c.trustDomain) {
		return outcome(Refused, "%s belongs to trust domain %q, and %s accepts %s only: list it among the aliases of the TrustDomain if it is yours",
			c.name, c.trustDomain, s.name, strings.Join(s.trustDomains, ", "))
	}
	if len(c.tls.Identities) == 0 {
		return outcome(Refused, "%s begins mutual TLS, and no workload is known whose identity it could expect at %s", c.name, s.name)
	}
	if !slices.Contains(c.tls.Identities, s.identity) {
		return outcome(Refused, "%s expects the server to be %s, and %s is %s", c.name, strings.Join(c.tls.Identities, " or "), s.name, s.identity)
	}
	if s.notEnforced != "" {
		return outcome(MTLS, "%s begins mutual TLS, and the application at %s answers it with its workload certificate (data plane none); if it does not, the handshake fails", c.name, s.name)
	}
	return outcome(MTLS, "%s begins mutual TLS and %s accepts it (%s): each end proves a SPIFFE ID to the other", c.name, s.name, s.mode)
}

// ownTLS is TLS that is not the mesh's: it carries no identity of the mesh, so only the application can be its other end.
func ownTLS(c client, s server) Transport {
	begins := "TLS without a client certificate (SIMPLE)"
	if c.tls.Mode == proxyconfig.ClientMutual {
		begins = "TLS with a certificate of its own (MUTUAL), which proves no identity of this mesh"
	}
	switch {
	case s.notEnforced != "":
		return outcome(TLS, "%s begins %s; it reaches the application at %s, which must speak TLS itself", c.name, begins, s.name)
	case s.mode == proxyconfig.Strict:
		return outcome(Refused, "%s begins %s, and %s accepts mutual TLS of the mesh only (STRICT): use ISTIO_MUTUAL", c.name, begins, s.name)
	case s.http && s.mode == proxyconfig.Permissive:
		return outcome(Refused, "%s begins %s, and %s, declared HTTP, ends TLS itself and requires a mesh certificate (PERMISSIVE): use ISTIO_MUTUAL", c.name, begins, s.name)
	case s.http:
		return outcome(Refused, "%s begins %s, and %s, declared HTTP, expects plaintext (DISABLE)", c.name, begins, s.name)
	default:
		return outcome(TLS, "%s begins %s; %s passes it through to the application, which must speak TLS itself (%s)", c.name, begins, s.name, s.mode)
	}
}

func outcome(o Outcome, format string, args ...any) Transport {
	return Transport{Outcome: o, Reason: fmt.Sprintf(format, args...)}
}
