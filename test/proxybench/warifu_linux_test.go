package proxybench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// warifu is the pair that the injector makes: redirect and proxy in both pods, with the configuration that a former process
// has kept, since no control API is there to be measured.
type warifu struct{ binary string }

func buildWarifu(b *testing.B, w *world) warifu {
	b.Helper()
	binary := filepath.Join(w.dir, "warifu-proxy")
	build := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/warifu/warifu/cmd/proxy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return warifu{binary: binary}
}

func (warifu) name() string { return "warifu" }

func (p warifu) start(b *testing.B, w *world, port uint16) pair {
	server := netip.AddrPortFrom(w.server.IPv4, port)
	mode := proxyconfig.PortMode{Mode: proxyconfig.Strict}
	domains := []string{"cluster.local"}
	p.state(b, w, "server", proxyconfig.Config{
		Identity: w.serverID.String(), TrustDomains: domains,
		Inbound: proxyconfig.Inbound{Default: mode, HTTPPorts: []uint16{portHTTP}, Policies: p.policies(w)},
	}, nil)
	p.state(b, w, "client", proxyconfig.Config{
		Identity: w.clientID.String(), TrustDomains: domains, Inbound: proxyconfig.Inbound{Default: mode},
	}, &proxyconfig.Address{
		Address: server, Known: true, Service: "bench/server",
		Endpoints: []proxyconfig.Endpoint{{Address: server, Workload: "bench/server"}},
		TLS:       []proxyconfig.ClientTLS{{Mode: proxyconfig.ClientIstioMutual, Identities: []string{w.serverID.String()}}},
	})
	return pair{
		address: server,
		near:    p.run(b, w, w.client, "client", w.clientID.String(), nearCore),
		far:     p.run(b, w, w.server, "server", w.serverID.String(), farCore),
	}
}

// policies are what the HTTP port is asked of: whom, which method, which path. On the TCP port the same caller is let in.
func (p warifu) policies(w *world) []proxyconfig.Policy {
	from := []proxyconfig.Source{{Principals: []string{w.clientID.Principal()}}}
	return []proxyconfig.Policy{{
		Object: proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "bench", Name: "server"}, Action: proxyconfig.Allow,
		Rules: []proxyconfig.Rule{
			{From: from, To: []proxyconfig.Operation{{Ports: []string{fmt.Sprint(portTCP)}}}},
			{From: from, To: []proxyconfig.Operation{{Ports: []string{fmt.Sprint(portHTTP)}, Methods: []string{"GET"}, Paths: []string{"/*"}}}},
		},
	}}
}

// state writes what a proxy finds when it starts while nobody answers.
func (warifu) state(b *testing.B, w *world, name string, config proxyconfig.Config, address *proxyconfig.Address) {
	b.Helper()
	config.Version = proxyconfig.SchemaVersion
	kept := map[string]any{"seen": proxyconfig.AsOf{}, "config": config}
	if address != nil {
		kept["addresses"] = []proxyconfig.Address{*address}
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		b.Fatal(err)
	}
	path := w.write(b, name+"/state/state.json", raw)
	if err := os.Chown(filepath.Dir(path), naming.ProxyUID, naming.ProxyUID); err != nil {
		b.Fatal(err)
	}
	w.write(b, name+"/token/token", []byte("none"))
}

func (p warifu) run(b *testing.B, w *world, pod *podnet.Pod, name, id, core string) int {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	if out, err := pod.Run(ctx, podnet.Command{Path: p.binary, Args: []string{naming.CommandRedirect}, Capabilities: []uintptr{unix.CAP_NET_ADMIN}}); err != nil {
		b.Fatalf("redirect: %v\n%s", err, out)
	}
	process := pod.Start(b, podnet.Command{
		Path: "taskset", Args: []string{"-c", core, p.binary, naming.CommandRun}, UID: naming.ProxyUID, GID: naming.ProxyUID,
		Env: []string{
			"PATH=" + os.Getenv("PATH"), "GOMAXPROCS=1",
			naming.EnvIdentity + "=" + id, naming.EnvControlIdentity + "=spiffe://cluster.local/ns/warifu-system/sa/warifu-operator",
			naming.EnvControlAddress + "=" + netip.AddrPortFrom(w.host, 1).String(),
			naming.EnvPodNamespace + "=bench", naming.EnvPodName + "=" + name, naming.EnvPodUID + "=" + name,
		},
		Mounts: []podnet.Mount{{Source: filepath.Join(w.dir, name), Target: naming.SecretsDir}},
	})
	client := http.Client{Transport: &http.Transport{DialContext: pod.DialContext, DisableKeepAlives: true}, Timeout: time.Second}
	ready := fmt.Sprintf("http://%s%s", netip.AddrPortFrom(pod.IPv4, naming.PortAdmin), naming.PathReady)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		response, err := client.Get(ready)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return process.PID()
			}
		}
		if time.Now().After(deadline) {
			b.Fatalf("the proxy of %s is not ready: %v\n%s", name, err, process.Stderr())
		}
	}
}
