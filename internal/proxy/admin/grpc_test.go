package admin

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxyconfig"
)

// TestGRPC meets a server of the gRPC library.
func TestGRPC(t *testing.T) {
	listener := listen(t)
	server, state := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(server, state)
	state.SetServingStatus("good", healthpb.HealthCheckResponse_SERVING)
	state.SetServingStatus("bad", healthpb.HealthCheckResponse_NOT_SERVING)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		server.Stop()
		_ = <-done
	}()
	bare := listen(t)
	without := grpc.NewServer()
	go func() { done <- without.Serve(bare) }()
	defer func() {
		without.Stop()
		_ = <-done
	}()
	text := application(t, seen, plain)
	probe := func(name string, port int32, service string) proxyconfig.Probe {
		return proxyconfig.Probe{
			Path: naming.PathAppHealth + name, TimeoutSeconds: 5, GRPC: &proxyconfig.GRPCProbe{Port: port, Service: service},
		}
	}
	port := portOf(listener)
	base := "http://" + start(t, options(
		probe("server", port, ""), probe("good", port, "good"), probe("bad", port, "bad"), probe("unknown", port, "unknown"),
		probe("long", port, strings.Repeat("x", 300)), probe("without", portOf(bare), ""), probe("http1", text, ""), probe("ours", naming.PortAdmin, ""),
	))
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"server":  {200, "health is 1"},
		"good":    {200, "health is 1"},
		"bad":     {503, "health is 2"},
		"unknown": {503, `gRPC status "5"`},  // NotFound
		"long":    {503, `gRPC status "5"`},  // a length of two bytes is understood
		"without": {503, `gRPC status "12"`}, // Unimplemented
		"http1":   {503, ""},
		"ours":    {503, "proxy's own"},
	} {
		if status, body := get(t, base+naming.PathAppHealth+path); status != want.status || !strings.Contains(body, want.text) {
			t.Errorf("%s: %d %q, want %d %q", path, status, body, want.status, want.text)
		}
	}
}

func TestHealthStatus(t *testing.T) {
	for answer, want := range map[string]int{
		"\x00\x00\x00\x00\x02\x08\x01":         1,
		"\x00\x00\x00\x00\x02\x08\x02":         2,
		"\x00\x00\x00\x00\x00":                 0,
		"":                                     -1,
		"\x00\x00\x00\x00":                     -1,
		"\x01\x00\x00\x00\x02\x08\x01":         -1, // compressed
		"\x00\x00\x00\x00\x03\x08\x01":         -1, // cut
		"\x00\x00\x00\x00\x02\x08\x01\x00":     -1, // more follows
		"\x00\x00\x00\x00\x01\x08":             -1,
		"\x00\x00\x00\x00\x02\x10\x01":         -1, // another field
		"\x00\x00\x00\x00\x02\x08\x81":         -1, // number that does not end
		"\x00\xff\xff\xff\xff\x08\x01":         -1,
		"\x00\x00\x00\x00\x04\x08\x00\x08\x01": -1, // twice
		"\x00\x00\x00\x00\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f": -1, // longer than 64 bits
	} {
		got, err := healthStatus([]byte(answer))
		if want < 0 && err == nil || want >= 0 && (err != nil || got != uint64(want)) {
			t.Errorf("%q: %d, %v", answer, got, err)
		}
	}
}

func TestHealthNeedsHTTPSuccess(t *testing.T) {
	serving := []byte("\x00\x00\x00\x00\x02\x08\x01")
	good := http.Header{"Grpc-Status": {"0"}}
	for name, response := range map[string]*http.Response{
		"no gRPC status": {StatusCode: 200},
		"HTTP failure":   {StatusCode: 500, Trailer: good},
		"gRPC failure":   {StatusCode: 200, Trailer: http.Header{"Grpc-Status": {"2"}}},
	} {
		if _, err := judgeHealth(response, serving); err == nil {
			t.Errorf("%s is taken for health", name)
		}
	}
	if r, err := judgeHealth(&http.Response{StatusCode: 200, Trailer: good}, serving); err != nil || r.failed {
		t.Errorf("%+v, %v", r, err)
	}
}
