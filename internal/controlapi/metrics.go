package controlapi

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Reasons why something is refused, as the metric and the log tell them.
const (
	refusedConnections = "TooManyConnections"
	refusedHandshake   = "Handshake"
	refusedRole        = "Role"
	refusedBusy        = "Busy"
	refusedToken       = "Token"
	refusedPod         = "Pod"
	refusedHello       = "Hello"
	refusedBehind      = "Behind"
	refusedError       = "Error"
)

// What a line tells of.
const (
	toldConfig      = "config"
	toldAddresses   = "addresses"
	toldCredentials = "credentials"
)

// Metrics of the control API. Labels are out of fixed lists.
var (
	streams = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "warifu_control_streams",
		Help: "Proxies that this replica tells their configuration.",
	})
	refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "warifu_control_refused_total",
		Help: "Connections and requests to the control API that were refused, by reason.",
	}, []string{"reason"})
	lookups = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "warifu_control_lookups_total",
		Help: "Addresses worked out for proxies: when they ask, and when something changes.",
	})
	tells = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "warifu_control_tells_total",
		Help: "Lines sent to proxies, by what they tell of: config, addresses, credentials. A line may tell of several.",
	}, []string{"what"})
	tokenReviews = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "warifu_control_token_reviews_total",
		Help: "Tokens of pods that the API server was asked to review, by result: authenticated, refused, failed.",
	}, []string{"result"})
)

func init() { metrics.Registry.MustRegister(streams, refused, lookups, tells, tokenReviews) }
