package podnet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// patience ends a test that would hang; nothing waits for it to pass.
const patience = 20 * time.Second

// TestReach: pods, the host, and addresses outside the cluster, in both families.
func TestReach(t *testing.T) {
	node := New(t)
	outside := []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")}
	a, b, out := node.Pod(t, "a"), node.Pod(t, "b"), node.Pod(t, "outside", outside...)
	greet(t, b.Listen, "[::]:80", "b")
	greet(t, out.Listen, "[::]:80", "outside")
	for _, host := range []netip.Addr{node.HostIPv4, node.HostIPv6} {
		greet(t, (&net.ListenConfig{}).Listen, netip.AddrPortFrom(host, 8080).String(), "host")
	}
	fromHost := (&net.Dialer{}).DialContext
	for _, tc := range []struct {
		name string
		dial dialer
		to   netip.AddrPort
		want string
	}{
		{"pod to pod, IPv4", a.DialContext, netip.AddrPortFrom(b.IPv4, 80), "b"},
		{"pod to pod, IPv6", a.DialContext, netip.AddrPortFrom(b.IPv6, 80), "b"},
		{"pod to itself", b.DialContext, netip.AddrPortFrom(b.IPv4, 80), "b"},
		{"pod to its loopback", b.DialContext, netip.MustParseAddrPort("127.0.0.1:80"), "b"},
		{"pod to host, IPv4", a.DialContext, netip.AddrPortFrom(node.HostIPv4, 8080), "host"},
		{"pod to host, IPv6", a.DialContext, netip.AddrPortFrom(node.HostIPv6, 8080), "host"},
		{"host to pod, IPv4", fromHost, netip.AddrPortFrom(b.IPv4, 80), "b"},
		{"host to pod, IPv6", fromHost, netip.AddrPortFrom(b.IPv6, 80), "b"},
		{"outside, IPv4", a.DialContext, netip.AddrPortFrom(outside[0], 80), "outside"},
		{"outside, IPv6", a.DialContext, netip.AddrPortFrom(outside[1], 80), "outside"},
		{"nobody listens", a.DialContext, netip.AddrPortFrom(b.IPv4, 81), ""},
		{"no route", a.DialContext, netip.MustParseAddrPort("198.51.100.1:80"), ""},
		{"host's loopback is not the pod's", a.DialContext, netip.MustParseAddrPort("127.0.0.1:8080"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := hear(t, tc.dial, tc.to); got != tc.want {
				t.Errorf("heard %q (%v), want %q", got, err, tc.want)
			}
		})
	}
}

func TestService(t *testing.T) {
	node := New(t)
	client, a, b := node.Pod(t, "client"), node.Pod(t, "a"), node.Pod(t, "b")
	greet(t, a.Listen, "[::]:8080", "a")
	greet(t, b.Listen, "[::]:8080", "b")
	for _, tc := range []struct {
		name     string
		service  string
		endpoint func(*Pod) netip.Addr
	}{
		{"IPv4", "10.96.0.10:80", func(p *Pod) netip.Addr { return p.IPv4 }},
		{"IPv6", "[fd96::10]:80", func(p *Pod) netip.Addr { return p.IPv6 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			service := netip.MustParseAddrPort(tc.service)
			atA, atB := netip.AddrPortFrom(tc.endpoint(a), 8080), netip.AddrPortFrom(tc.endpoint(b), 8080)
			node.Service(t, service, atA, atB)
			heard := map[string]bool{}
			for range 100 { // that one is never chosen has a chance of 2⁻⁹⁹
				got, err := hear(t, client.DialContext, service)
				if err != nil {
					t.Fatal(err)
				}
				heard[got] = true
			}
			if !heard["a"] || !heard["b"] {
				t.Errorf("heard %v; want both endpoints", heard)
			}
			node.Service(t, service, atB)
			if got, err := hear(t, client.DialContext, service); got != "b" {
				t.Errorf("after a was removed: heard %q (%v)", got, err)
			}
			node.Service(t, service)
			if got, err := hear(t, client.DialContext, service); err == nil {
				t.Errorf("a Service without endpoints answered %q", got)
			}
		})
	}
}

// TestPartition: an open connection falls silent and speaks again, and pods are not concerned.
func TestPartition(t *testing.T) {
	node := New(t)
	cut, other := node.Pod(t, "cut"), node.Pod(t, "other")
	greet(t, cut.Listen, "[::]:80", "cut")
	listener, err := net.Listen("tcp", netip.AddrPortFrom(node.HostIPv4, 8080).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	conn, err := cut.DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()

	cut.Disconnect(t)
	if _, err := io.WriteString(peer, "x"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !os.IsTimeout(err) {
		t.Errorf("through the partition came %d bytes, %v", n, err)
	}
	if got, err := hear(t, other.DialContext, netip.AddrPortFrom(cut.IPv4, 80)); got != "cut" {
		t.Errorf("another pod heard %q (%v)", got, err)
	}
	cut.Connect(t)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Errorf("after the partition: %v", err)
	}
}

// TestNothingSurvivesACrash kills a test process that has a node, and looks for its processes and its link to the host.
func TestNothingSurvivesACrash(t *testing.T) {
	if report := os.Getenv("WARIFU_TEST_CRASH"); report != "" {
		node := New(t)
		process := node.Pod(t, "pod").Start(t, Command{Path: "sleep", Args: []string{"1000"}})
		if err := os.WriteFile(report+".new", []byte(node.HostIPv4.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(report+".new", report); err != nil {
			t.Fatal(err)
		}
		<-process.Done()
	}
	node := New(t) // for the skip, and one that stays
	report := filepath.Join(t.TempDir(), "address")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNothingSurvivesACrash$")
	child.Env = append(os.Environ(), "WARIFU_TEST_CRASH="+report)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	address := ""
	eventually(t, "the child makes a node", func() bool {
		text, err := os.ReadFile(report)
		address = string(text)
		return err == nil
	})
	if address == node.HostIPv4.String() {
		t.Errorf("two nodes have the address %s", address)
	}
	if !local(t, address) {
		t.Errorf("%s is not an address of the host", address)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	eventually(t, "the link is gone", func() bool { return !local(t, address) })
	if !local(t, node.HostIPv4.String()) {
		t.Error("the other node is gone too")
	}
}

// local tells whether the host has an address.
func local(t *testing.T, address string) bool {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range addrs {
		if network, ok := addr.(*net.IPNet); ok && network.IP.String() == address {
			return true
		}
	}
	return false
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s", what, patience)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

type (
	dialer   = func(ctx context.Context, network, address string) (net.Conn, error)
	listener = func(ctx context.Context, network, address string) (net.Listener, error)
)

// greet says a word to everybody who connects.
func greet(t *testing.T, listen listener, address, word string) {
	t.Helper()
	l, err := listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, word)
			_ = conn.Close()
		}
	}()
}

// hear returns what it is greeted with.
func hear(t *testing.T, dial dialer, address netip.AddrPort) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := dial(ctx, "tcp", address.String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	word, err := io.ReadAll(conn)
	return string(word), err
}
