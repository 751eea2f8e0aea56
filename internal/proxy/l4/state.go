package l4

import (
	"crypto/tls"
	"fmt"
	"net/netip"

	"github.com/warifu/warifu/internal/authz"
	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/mtls"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// state is a configuration in the form in which it is asked. It is replaced, never changed.
type state struct {
	config *proxyconfig.Config
	engine *authz.Engine
	// accept is whom the workload's clients may prove to be, and server the configuration that says so.
	accept mtls.Accept
	server *tls.Config
}

func newState(config *proxyconfig.Config, source mtls.Source) (*state, error) {
	engine, err := authz.Compile(config.Inbound)
	if err != nil {
		return nil, err
	}
	var domains []identity.TrustDomain
	for _, name := range config.TrustDomains {
		domain, err := identity.ParseTrustDomain(name)
		if err != nil {
			return nil, err
		}
		domains = append(domains, domain)
	}
	if _, err := identity.Parse(config.Identity); err != nil {
		return nil, fmt.Errorf("own identity: %w", err)
	}
	accept := mtls.Member(domains...)
	return &state{
		config: config, engine: engine, accept: accept,
		server: mtls.ProxyServerConfig(source, mtls.Verifier{Accept: accept}),
	}, nil
}

// inCluster says whether an address is one of the cluster's own, where nobody passes who is not known.
func (s *state) inCluster(address netip.Addr) bool {
	for _, r := range s.config.Outbound.ClusterRanges {
		if r.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}
