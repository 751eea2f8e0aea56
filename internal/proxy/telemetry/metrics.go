package telemetry

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/warifu/warifu/internal/authz"
)

// other is the label value that stands for all values beyond a bound.
const other = "other"

// Bounds on the time series of one metric. Reasons are constants of the proxy, so that their bound is never reached; pairs
// of identities are as many as the workload has peers.
const (
	maxReasons = 200
	maxPeers   = 500
)

// Keys of the series.
type (
	connectionKey struct {
		direction Direction
		verdict   Verdict
		reason    string
	}
	handshakeKey struct {
		direction Direction
		reason    string
	}
	requestKey struct {
		verdict Verdict
		class   int // hundreds of the status
	}
	peerKey struct {
		direction           Direction
		source, destination string
		verdict             Verdict
	}
	matchKey struct {
		action string
		dryRun bool
	}
)

// metrics of the data plane, with the series in use at hand.
type metrics struct {
	vectors vectors

	inbound, outbound directed
	connections       *series[connectionKey, prometheus.Counter]
	handshakes        *series[handshakeKey, prometheus.Counter]
	requests          *series[requestKey, prometheus.Counter]
	peers             *series[peerKey, prometheus.Counter]
	matches           *series[matchKey, prometheus.Counter]

	requestSeconds    prometheus.Histogram
	linesLost         *prometheus.CounterVec
	certificateExpiry prometheus.Gauge
	configInForce     prometheus.Gauge
	controlConnected  prometheus.Gauge
}

// directed are the series that there are once for each direction.
type directed struct {
	open           prometheus.Gauge
	seconds        prometheus.Observer
	sent, received prometheus.Counter
}

func newMetrics() *metrics {
	v := newVectors()
	m := &metrics{
		vectors: v, inbound: v.directed(Inbound), outbound: v.directed(Outbound),
		requestSeconds: newRequestSeconds(), linesLost: newLinesLost(),
	}
	m.gauges()
	m.connections = newSeries(maxReasons, func(k connectionKey) prometheus.Counter {
		return v.connections.WithLabelValues(string(k.direction), string(k.verdict), k.reason)
	}, func(k connectionKey) connectionKey { return connectionKey{k.direction, k.verdict, other} })
	m.handshakes = newSeries(maxReasons, func(k handshakeKey) prometheus.Counter {
		result := "failed"
		if k.reason == "" {
			result = "ok"
		}
		return v.handshakes.WithLabelValues(string(k.direction), result, k.reason)
	}, func(k handshakeKey) handshakeKey { return handshakeKey{k.direction, other} })
	m.requests = newSeries(maxReasons, func(k requestKey) prometheus.Counter {
		return v.requests.WithLabelValues(string(k.verdict), statusClass(k.class))
	}, func(k requestKey) requestKey { return requestKey{verdict: k.verdict} })
	m.peers = newSeries(maxPeers, func(k peerKey) prometheus.Counter {
		return v.peers.WithLabelValues(string(k.direction), k.source, k.destination, string(k.verdict))
	}, func(k peerKey) peerKey { return peerKey{k.direction, other, other, k.verdict} })
	m.matches = newSeries(maxReasons, func(k matchKey) prometheus.Counter {
		return v.matches.WithLabelValues(k.action, strconv.FormatBool(k.dryRun))
	}, func(matchKey) matchKey { return matchKey{action: other} })
	return m
}

// statusClass is 2xx for 2; none where no status was sent.
func statusClass(class int) string {
	if class < 1 || class > 5 {
		return "none"
	}
	return strconv.Itoa(class) + "xx"
}

func (m *metrics) of(d Direction) *directed {
	if d == Outbound {
		return &m.outbound
	}
	return &m.inbound
}

// count is on the path of every connection and request.
func (m *metrics) count(e *Entry) {
	of := m.of(e.Direction)
	of.sent.Add(float64(e.Sent))
	of.received.Add(float64(e.Received))
	if e.isRequest() {
		m.requests.get(requestKey{e.Verdict, e.Status / 100}).Inc()
		m.requestSeconds.Observe(e.Duration.Seconds())
	} else {
		m.connections.get(connectionKey{e.Direction, e.Verdict, e.Reason}).Inc()
		of.seconds.Observe(e.Duration.Seconds())
	}
	m.peers.get(peerKey{e.Direction, e.SourceIdentity, e.DestinationIdentity, e.Verdict}).Inc()
	for i := range e.Reports {
		m.match(&e.Reports[i])
	}
}

func (m *metrics) match(r *authz.Report) {
	m.matches.get(matchKey{string(r.Action), r.DryRun}).Inc()
}
