package l4

import (
	"net/netip"
	"testing"

	"github.com/warifu/warifu/internal/authz"
	controlwire "github.com/warifu/warifu/internal/controlapi/wire"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/ca"
)

// FuzzConfig takes any line for what the control API tells. A configuration that comes into force can be asked anything, its
// modes are those that there are, and no rule makes up for an identity that STRICT wants.
func FuzzConfig(f *testing.F) {
	const head = `{"revision":1,"config":{"version":1,"identity":"` + cartID + `","trustDomains":["cluster.local","old.example"],`
	for _, seed := range []string{
		head + `"inbound":{"default":{"mode":"STRICT"},"httpPorts":[80]},"outbound":{},"telemetry":{"accessLogPercent":1}}}`,
		head + `"inbound":{"default":{"mode":"PERMISSIVE"},"ports":[{"port":80,"mode":"STRICT"},{"port":81,"mode":"DISABLE"}],"policies":[` +
			`{"object":{"kind":"AuthorizationPolicy","namespace":"a","name":"b"},"action":"DENY","rules":[` +
			`{"from":[{"notPrincipals":["*"]}],"to":[{"ports":["80"],"paths":["/a/{**}"],"methods":["GET"]}],"when":[{"key":"connection.sni","values":["a.b"]}]}]},` +
			`{"action":"ALLOW","rules":[{"from":[{"ipBlocks":["10.0.0.0/8"],"namespaces":["a*"]}]}]},{"action":"ALLOW","broken":"x"},` +
			`{"action":"AUDIT","dryRun":true,"rules":[{}]}]},"outbound":{"clusterRanges":["10.0.0.0/8"]},"telemetry":{}}}`,
		head + `"inbound":{"default":{"mode":"LENIENT"}},"outbound":{},"telemetry":{}}}`,
		head + `"inbound":{"default":{"mode":"STRICT"},"policies":[{"action":"CUSTOM"}]},"outbound":{},"telemetry":{}}}`,
		head + `"inbound":{"default":{"mode":"STRICT"},"forbid":true},"outbound":{},"telemetry":{}}}`,
		`{"config":null}`, `{"config":{}}`,
	} {
		f.Add([]byte(seed), uint16(80))
	}
	source := ca.New(f).Source(f, ca.Template(cartID))
	f.Fuzz(func(t *testing.T, line []byte, port uint16) {
		tell, err := controlwire.DecodeTell(line)
		if err != nil || tell.Config == nil {
			return
		}
		s, err := newState(tell.Config, source)
		if err != nil {
			return
		}
		s.inCluster(netip.MustParseAddr("10.0.0.1"))
		destination := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), port)
		mode := tell.Config.Inbound.ModeFor(port).Mode
		if mode != proxyconfig.Strict && mode != proxyconfig.Permissive && mode != proxyconfig.Disable {
			t.Fatalf("mode %q is in force", mode)
		}
		for _, http := range []*authz.HTTP{nil, {Method: "GET", Host: "a.b", Path: "/a/b"}} {
			for _, peer := range []authz.Peer{{}, {MTLS: true, Identity: payID}, {Address: netip.IPv6Loopback()}} {
				d := s.engine.Decide(authz.Request{Peer: peer, Destination: destination, SNI: "a.b", HTTP: http})
				if d.Allowed && !peer.MTLS && mode == proxyconfig.Strict {
					t.Fatalf("STRICT lets nobody in: %+v", d)
				}
			}
		}
	})
}
