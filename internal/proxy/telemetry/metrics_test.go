package telemetry

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warifu/warifu/internal/proxyconfig"
)

// scrape is what Prometheus would get, by time series.
func scrape(t testing.TB, r *Recorder) map[string]string {
	t.Helper()
	response := httptest.NewRecorder()
	r.Handler().ServeHTTP(response, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	values := map[string]string{}
	for line := range strings.Lines(response.Body.String()) {
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			values[line[:at]] = strings.TrimSpace(line[at:])
		}
	}
	return values
}

func value(t testing.TB, r *Recorder, series string) string { return scrape(t, r)[series] }

func TestCounts(t *testing.T) {
	r := New(Options{})
	connection := allowed()
	connection.Reason, connection.Sent, connection.Received = "NoPolicy", 3, 4
	connection.SourceIdentity, connection.DestinationIdentity = "spiffe://a", "spiffe://b"
	r.Record(connection)
	r.Record(connection)
	r.Record(Entry{Direction: Outbound, Verdict: Refused, Reason: "NoEndpoint", Sent: 1})
	request := denied()
	r.Record(request)
	r.Record(Entry{Direction: Inbound, Protocol: "h2", Verdict: Failed})
	r.Opened(Inbound)
	r.Opened(Inbound)
	r.Closed(Inbound)
	r.Handshake(Outbound, "")
	r.Handshake(Inbound, "CertificateRequired")
	r.CertificateExpires(time.Unix(1000, 0))
	r.ConfigInForce(time.Unix(2000, 0))
	r.ControlConnected(true)
	got := scrape(t, r)
	for series, want := range map[string]string{
		`connections_total{direction="inbound",reason="NoPolicy",verdict="allowed"}`:                                        "2",
		`connections_total{direction="outbound",reason="NoEndpoint",verdict="refused"}`:                                     "1",
		`requests_total{status="4xx",verdict="denied"}`:                                                                     "1",
		`requests_total{status="none",verdict="failed"}`:                                                                    "1",
		`request_duration_seconds_count`:                                                                                    "2",
		`connection_duration_seconds_count{direction="inbound"}`:                                                            "2",
		`bytes_total{direction="inbound",flow="sent"}`:                                                                      "16",
		`bytes_total{direction="inbound",flow="received"}`:                                                                  "28",
		`bytes_total{direction="outbound",flow="sent"}`:                                                                     "1",
		`peers_total{destination_identity="spiffe://b",direction="inbound",source_identity="spiffe://a",verdict="allowed"}`: "2",
		`peers_total{destination_identity="",direction="outbound",source_identity="",verdict="refused"}`:                    "1",
		`policy_matches_total{action="AUDIT",dry_run="false"}`:                                                              "1",
		`policy_matches_total{action="DENY",dry_run="true"}`:                                                                "1",
		`open_connections{direction="inbound"}`:                                                                             "1",
		`open_connections{direction="outbound"}`:                                                                            "0",
		`handshakes_total{direction="outbound",reason="",result="ok"}`:                                                      "1",
		`handshakes_total{direction="inbound",reason="CertificateRequired",result="failed"}`:                                "1",
		`certificate_expiry_timestamp_seconds`:                                                                              "1000",
		`config_timestamp_seconds`:                                                                                          "2000",
		`control_connected`:                                                                                                 "1",
	} {
		if got["warifu_proxy_"+series] != want {
			t.Errorf("%s = %q, want %s", series, got["warifu_proxy_"+series], want)
		}
	}
	r.ControlConnected(false)
	if value(t, r, "warifu_proxy_control_connected") != "0" {
		t.Error("a lost stream is up")
	}
}

// TestLabelsAreBounded: whatever identities and reasons come, the number of time series does not follow.
func TestLabelsAreBounded(t *testing.T) {
	r := New(Options{})
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for n := range 1000 {
				e := allowed()
				e.SourceIdentity, e.Reason = fmt.Sprint("id", worker, n), fmt.Sprint("reason", worker, n)
				r.Record(e)
				r.Handshake(Inbound, e.Reason)
			}
		})
	}
	group.Wait()
	series := map[string]int{}
	for name := range scrape(t, r) {
		base, _, _ := strings.Cut(name, "{")
		series[base]++
	}
	for base, most := range map[string]int{"peers_total": maxPeers, "connections_total": maxReasons, "handshakes_total": maxReasons} {
		if got := series["warifu_proxy_"+base]; got != most+1 {
			t.Errorf("%s has %d time series, want %d and one for the rest", base, got, most)
		}
	}
	rest := value(t, r, `warifu_proxy_peers_total{destination_identity="other",direction="inbound",source_identity="other",verdict="allowed"}`)
	if rest != fmt.Sprint(4*1000-maxPeers) {
		t.Errorf("the rest has %s", rest)
	}
}

// TestNobodyRecords: parts of the data plane are used without telemetry.
func TestNobodyRecords(*testing.T) {
	for _, r := range []*Recorder{nil, {}} {
		r.Record(denied())
		r.Sample(50)
		r.Opened(Inbound)
		r.Closed(Inbound)
		r.Handshake(Inbound, "x")
		r.CertificateExpires(time.Now())
		r.ConfigInForce(time.Now())
		r.ControlConnected(true)
	}
	r := New(Options{}) // no log
	r.Sample(100)
	r.Record(denied())
}

func BenchmarkRecord(b *testing.B) {
	connection := allowed()
	connection.SourceIdentity, connection.DestinationIdentity = "spiffe://cluster.local/ns/shop/sa/cart", "spiffe://cluster.local/ns/shop/sa/pay"
	connection.Reason, connection.DecidedBy = "AllowRuleMatched", &proxyconfig.ObjectRef{Kind: "AuthorizationPolicy", Namespace: "shop", Name: "pay"}
	request := connection
	request.Protocol, request.Method, request.Path, request.Status = "h2", "GET", "/v1/orders", 200
	for name, percent := range map[string]int{"unlogged": 0, "logged": 100} {
		b.Run(name, func(b *testing.B) {
			r := New(Options{Log: discard{}})
			r.Sample(percent)
			b.ReportAllocs()
			for b.Loop() {
				r.Record(request)
				r.log.queue = r.log.queue[:0]
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
