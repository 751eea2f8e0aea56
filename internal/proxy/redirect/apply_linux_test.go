package redirect

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/testkit/podnet"
)

// TestConnections: where real connections end up, in both families.
func TestConnections(t *testing.T) {
	node := podnet.New(t)
	outside := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
	pod, peer := node.Pod(t, "pod"), node.Pod(t, "peer", outside...)
	listen(t, pod, naming.PortOutbound, "outbound")
	listen(t, pod, naming.PortInbound, "inbound")
	listen(t, pod, naming.PortAdmin, "admin")
	for _, port := range []int{8080, 9090} {
		listen(t, pod, port, "app")
	}
	for _, port := range []int{8080, 5432} {
		listen(t, peer, port, "peer")
	}
	apply(t, pod, exclusions)

	const app, proxy, stranger = 1000, naming.ProxyUID, -1
	type family struct {
		name                         string
		pod, peer, outside, loopback netip.Addr
	}
	for _, f := range []family{
		{"IPv4", pod.IPv4, peer.IPv4, outside[0], netip.MustParseAddr("127.0.0.1")},
		{"IPv6", pod.IPv6, peer.IPv6, outside[1], netip.IPv6Loopback()},
	} {
		for _, tc := range []struct {
			name string
			who  int
			to   string
			want string
		}{
			{"outbound", app, at(f.peer, 8080), "outbound for " + at(f.peer, 8080)},
			{"outbound, as root", 0, at(f.peer, 8080), "outbound for " + at(f.peer, 8080)},
			{"outbound, to nobody", app, at(f.peer, 1), "outbound for " + at(f.peer, 1)},
			{"the proxy's own", proxy, at(f.peer, 8080), "peer"},
			{"the proxy to its application", proxy, at(f.pod, 8080), "app"},
			{"loopback", app, at(f.loopback, 8080), "app"},
			{"own pod", app, at(f.pod, 8080), "app"},
			{"excluded port", app, at(f.peer, 5432), "peer"},
			{"excluded range", app, at(f.outside, 8080), "peer"},
			{"the proxy's port on loopback", app, at(f.loopback, naming.PortOutbound), "outbound"},
			{"the proxy's port in its pod", app, at(f.pod, naming.PortInbound), "inbound"},
			{"self-test by the proxy", proxy, at(f.pod, naming.PortRedirectTest), "admin for " + at(f.pod, naming.PortRedirectTest)},
			{"self-test by the application", app, at(f.pod, naming.PortRedirectTest), ""},
			{"inbound", stranger, at(f.pod, 8080), "inbound for " + at(f.pod, 8080)},
			{"inbound, where nobody listens", stranger, at(f.pod, 1), "inbound for " + at(f.pod, 1)},
			{"excluded inbound port", stranger, at(f.pod, 9090), "app"},
			{"admin", stranger, at(f.pod, naming.PortAdmin), "admin"},
			{"a stranger to the outbound port", stranger, at(f.pod, naming.PortOutbound), "inbound for " + at(f.pod, naming.PortOutbound)},
			{"a stranger to the inbound port", stranger, at(f.pod, naming.PortInbound), "inbound"},
			{"a stranger to the self-test", stranger, at(f.pod, naming.PortRedirectTest), "inbound for " + at(f.pod, naming.PortRedirectTest)},
		} {
			t.Run(f.name+" "+tc.name, func(t *testing.T) {
				dial := peer.DialContext
				if tc.who != stranger {
					dial = pod.DialAs(tc.who)
				}
				if got := hear(t, dial, tc.to); got != tc.want {
					t.Errorf("ended at %q, want %q", got, tc.want)
				}
			})
		}
	}
}

// TestApplyReplaces: the same again changes nothing, other options leave nothing of the former, and strangers' tables and
// refused options have no part in it.
func TestApplyReplaces(t *testing.T) {
	pod := podnet.New(t).Pod(t, "pod")
	other := &nftables.Table{Name: "other", Family: nftables.TableFamilyINet}
	err := pod.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		conn.AddTable(other)
		return conn.Flush()
	})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, pod, exclusions)
	first := dump(t, pod)
	apply(t, pod, exclusions)
	if diff := cmp.Diff(first, dump(t, pod)); diff != "" {
		t.Errorf("the second time changed (-first +second):\n%s", diff)
	}
	if err := pod.Do(func() error { return Apply(Options{ExcludeInboundPorts: []uint16{15001}}) }); err == nil {
		t.Error("no error for a port of the proxy's own")
	}
	if diff := cmp.Diff(first, dump(t, pod)); diff != "" {
		t.Errorf("refused options changed (-before +after):\n%s", diff)
	}
	apply(t, pod, Options{})
	if got, want := len(dump(t, pod)["inbound"]), len(first["inbound"])-len(exclusions.ExcludeInboundPorts); got != want {
		t.Errorf("without exclusions there are %d inbound rules, want %d", got, want)
	}
}

// dump is the rules of our table as the kernel has them, by chain. It fails unless there is one other table.
func dump(t *testing.T, pod *podnet.Pod) map[string][][]any {
	t.Helper()
	out := map[string][][]any{}
	err := pod.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return err
		}
		tables, err := conn.ListTables()
		if err != nil {
			return err
		}
		if names := slices.Collect(func(yield func(string) bool) {
			for _, table := range tables {
				yield(table.Name)
			}
		}); len(names) != 2 || !slices.Contains(names, "other") || !slices.Contains(names, naming.PacketFilterTable) {
			t.Errorf("there are tables %v", names)
		}
		chains, err := conn.ListChains()
		if err != nil {
			return err
		}
		for _, chain := range chains {
			rules, err := conn.GetRules(chain.Table, chain)
			if err != nil {
				return err
			}
			for _, rule := range rules {
				line := []any{string(rule.UserData)}
				for _, e := range rule.Exprs {
					line = append(line, e)
				}
				out[chain.Name] = append(out[chain.Name], line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPrivileges: NET_ADMIN is enough for Apply, without it the error says so, and Verify takes no privilege.
func TestPrivileges(t *testing.T) {
	pod := podnet.New(t).Pod(t, "pod")
	serveAdmin(t, pod, naming.RedirectProof)

	none := self(t, "apply")
	none.Capabilities = []uintptr{}
	if out, err := pod.Run(t.Context(), none); err == nil || !strings.Contains(out, "NET_ADMIN") {
		t.Errorf("without privileges: %v, %q; want an error about NET_ADMIN", err, out)
	}
	for _, ip := range []netip.Addr{pod.IPv4, pod.IPv6} {
		verify := self(t, "verify "+ip.String())
		verify.UID, verify.GID, verify.NoNewPrivileges = naming.ProxyUID, naming.ProxyUID, true
		if out, err := pod.Run(t.Context(), verify); err == nil || !strings.Contains(out, naming.ContainerRedirect) {
			t.Errorf("verify %s without the redirect: %v, %q; want an error about %s", ip, err, out, naming.ContainerRedirect)
		}
	}

	admin := self(t, "apply")
	admin.Capabilities, admin.NoNewPrivileges, admin.ReadOnlyRoot = []uintptr{unix.CAP_NET_ADMIN}, true, true
	if _, err := pod.Run(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	for _, ip := range []netip.Addr{pod.IPv4, pod.IPv6} {
		verify := self(t, "verify "+ip.String())
		verify.UID, verify.GID = naming.ProxyUID, naming.ProxyUID
		if _, err := pod.Run(t.Context(), verify); err != nil {
			t.Errorf("verify %s: %v", ip, err)
		}
		verify.UID = 1000
		if _, err := pod.Run(t.Context(), verify); err == nil {
			t.Errorf("verify %s succeeds as another user", ip)
		}
	}
}

// TestVerifyWantsTheProof: something else that answers is not the proxy.
func TestVerifyWantsTheProof(t *testing.T) {
	pod := podnet.New(t).Pod(t, "pod")
	serveAdmin(t, pod, naming.RedirectProof+"not")
	apply(t, pod, Options{})
	verify := self(t, "verify "+pod.IPv4.String())
	verify.UID = naming.ProxyUID
	if out, err := pod.Run(t.Context(), verify); err == nil || !strings.Contains(out, "other than the proxy") {
		t.Errorf("got %v, %q", err, out)
	}
}
