package proxy

import (
	"strings"
	"testing"

	"github.com/warifu/warifu/internal/naming"
)

// TestSettingsFrom: what the injector writes is understood, and every mistake is named at once.
func TestSettingsFrom(t *testing.T) {
	env := map[string]string{
		naming.EnvIdentity:        "spiffe://cluster.local/ns/shop/sa/orders",
		naming.EnvControlIdentity: "spiffe://cluster.local/ns/warifu-system/sa/warifu-operator",
		naming.EnvControlAddress:  "warifu-control.warifu-system.svc:15012",
		naming.EnvPodNamespace:    "shop", naming.EnvPodName: "orders-0", naming.EnvPodUID: "u",
		naming.EnvProbes: `[{"path":"/app-health/app/readyz","tcpSocket":{"port":8080}}]`,
	}
	s, err := SettingsFrom(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if s.Identity.ServiceAccount() != "orders" || len(s.Probes) != 1 || s.at(naming.TLSDir) != naming.TLSDir {
		t.Errorf("got %+v", s)
	}
	broken := map[string]string{
		naming.EnvIdentity: "orders", naming.EnvControlAddress: "no port", naming.EnvProbes: "{",
	}
	_, err = SettingsFrom(func(name string) string { return broken[name] })
	if err == nil {
		t.Fatal("a broken environment is accepted")
	}
	for name := range env {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}
