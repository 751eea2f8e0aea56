package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// podIP stands for the pod's address: a loopback address, but not the one that a careless probe would dial.
const podIP = "127.0.0.2"

// options of a proxy that is ready.
func options(probes ...proxyconfig.Probe) Options {
	return Options{
		Addresses:   []netip.Addr{netip.MustParseAddr(podIP)},
		Probes:      probes,
		Ready:       func() error { return nil },
		Metrics:     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
		MetricsFrom: func() []netip.Prefix { return nil },
	}
}

// start serves on a real socket until the test ends, and returns its address.
func start(t testing.TB, o Options) string {
	t.Helper()
	listener := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- New(o).Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", podIP+":0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// get asks as kubelet does, and returns status and body; the status is 0 when there was no answer.
func get(t testing.TB, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "kube-probe/1.37")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if errors.Is(err, io.EOF) {
		return 0, ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// application serves HTTP at the pod's address and returns its port.
func application(t testing.TB, handler http.HandlerFunc, serve func(*http.Server, net.Listener) error) int32 {
	t.Helper()
	listener := listen(t)
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- serve(server, listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = <-done
	})
	return portOf(listener)
}

func plain(s *http.Server, l net.Listener) error { return s.Serve(l) }

func portOf(l net.Listener) int32 {
	return int32(netip.MustParseAddrPort(l.Addr().String()).Port())
}

func appHealth(name string, probe proxyconfig.Probe) proxyconfig.Probe {
	probe.Path = naming.PathAppHealth + name
	probe.TimeoutSeconds = max(probe.TimeoutSeconds, 5)
	return probe
}

func httpProbe(port int32, path string, headers ...proxyconfig.Header) proxyconfig.Probe {
	return proxyconfig.Probe{HTTPGet: &proxyconfig.HTTPProbe{Scheme: "HTTP", Port: port, Path: path, Headers: headers}}
}

func contains(t testing.TB, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: %q, want %q in it", what, got, want)
	}
}
