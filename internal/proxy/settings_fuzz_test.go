package proxy

import (
	"net"
	"testing"

	"github.com/warifu/warifu/internal/identity"
	"github.com/warifu/warifu/internal/naming"
)

// FuzzSettings takes anything for the environment. What is accepted names one identity to prove, one to accept, and where to ask.
func FuzzSettings(f *testing.F) {
	f.Add("spiffe://cluster.local/ns/shop/sa/orders", "spiffe://cluster.local/ns/w/sa/o", "control.w.svc:15012", "orders-0", `[{"path":"/a","tcpSocket":{"port":8080}}]`)
	f.Add("spiffe://cluster.local/ns/../sa/orders", "", "[::1]:1", "", `null`)
	f.Add("", "spiffe://a/ns/b/sa/c", ":", "x", `[{"httpGet":{"headers":[{}]}}]`)
	f.Fuzz(func(t *testing.T, own, server, address, pod, probes string) {
		env := map[string]string{
			naming.EnvIdentity: own, naming.EnvControlIdentity: server, naming.EnvControlAddress: address,
			naming.EnvPodNamespace: "shop", naming.EnvPodName: pod, naming.EnvPodUID: "u", naming.EnvProbes: probes,
		}
		s, err := SettingsFrom(func(name string) string { return env[name] })
		if err != nil {
			return
		}
		if s.Identity == (identity.ID{}) || s.Identity.String() != own || s.ControlIdentity.String() != server || s.Name == "" {
			t.Fatalf("%q became %+v", env, s)
		}
		if _, _, err := net.SplitHostPort(s.ControlAddress); err != nil {
			t.Fatal(err)
		}
	})
}
