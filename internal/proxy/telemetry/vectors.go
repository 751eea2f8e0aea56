package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Buckets in seconds. Requests are mostly answered within milliseconds; connections live from milliseconds to days.
var (
	requestBuckets    = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}
	connectionBuckets = []float64{.01, .1, 1, 10, 60, 600, 3600, 86400}
)

// vectors are the metrics with labels. They are written as literals, which docs/metrics.md is made from.
type vectors struct {
	connections, handshakes, requests, bytes, peers, matches *prometheus.CounterVec
	open                                                     *prometheus.GaugeVec
	seconds                                                  *prometheus.HistogramVec
}

func newVectors() vectors {
	return vectors{
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warifu_proxy_connections_total",
			Help: "Connections that have ended or were refused, by direction, verdict (allowed, denied, refused, failed, revoked) and reason. Requests on HTTP ports are counted by themselves.",
		}, []string{"direction", "verdict", "reason"}),
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warifu_proxy_handshakes_total",
			Help: "TLS handshakes of the proxy's own, by direction, result (ok, failed) and reason for failure.",
		}, []string{"direction", "result", "reason"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warifu_proxy_requests_total",
			Help: "HTTP requests on inbound ports that are declared to carry HTTP, by verdict and class of the status answered (2xx, none where none was sent).",
		}, []string{"verdict", "status"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warifu_proxy_bytes_total",
			Help: "Bytes of the connections and requests that have ended, by direction of the connection and as the application sees them: sent or received.",
		}, []string{"direction", "flow"}),
		peers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warifu_proxy_peers_total",
			Help: "Connections and HTTP requests by the identities that both ends have proven (empty: none), direction and verdict. After 500 different ones the identities are \"other\".",
		}, []string{"direction", "source_identity", "destination_identity", "verdict"}),
		matches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "warifu_proxy_policy_matches_total",
			Help: "Matches of policies that decide nothing: AUDIT ones, and those with a dry run, by action.",
		}, []string{"action", "dry_run"}),
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "warifu_proxy_open_connections",
			Help: "Connections that are open now, by direction.",
		}, []string{"direction"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "warifu_proxy_connection_duration_seconds",
			Help:    "How long connections were open, by direction, without those that carried HTTP requests.",
			Buckets: connectionBuckets,
		}, []string{"direction"}),
	}
}

func (v vectors) directed(d Direction) directed {
	direction := string(d)
	return directed{
		open: v.open.WithLabelValues(direction), seconds: v.seconds.WithLabelValues(direction),
		sent: v.bytes.WithLabelValues(direction, "sent"), received: v.bytes.WithLabelValues(direction, "received"),
	}
}

func newRequestSeconds() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "warifu_proxy_request_duration_seconds",
		Help:    "How long HTTP requests on inbound ports took, from their head to the end of the answer.",
		Buckets: requestBuckets,
	})
}

func newLinesLost() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "warifu_proxy_access_log_lines_lost_total",
		Help: "Lines of the access log that were not written, by reason: limit (too many in a second of what is always logged), full (whoever reads the log is too slow), write (it could not be written).",
	}, []string{"reason"})
}

func (m *metrics) gauges() {
	m.certificateExpiry = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "warifu_proxy_certificate_expiry_timestamp_seconds",
		Help: "When the workload's certificate expires, as Unix time.",
	})
	m.configInForce = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "warifu_proxy_config_timestamp_seconds",
		Help: "When the configuration in force was put in force, as Unix time; 0 while there is none.",
	})
	m.controlConnected = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "warifu_proxy_control_connected",
		Help: "1 while the stream to the control API is up; otherwise the last configuration holds.",
	})
}

func (m *metrics) collectors() []prometheus.Collector {
	v := m.vectors
	return []prometheus.Collector{
		v.connections, v.handshakes, v.requests, v.bytes, v.peers, v.matches, v.open, v.seconds,
		m.requestSeconds, m.linesLost, m.certificateExpiry, m.configInForce, m.controlConnected,
	}
}
