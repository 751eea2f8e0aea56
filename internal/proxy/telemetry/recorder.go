package telemetry

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options are what a Recorder is made of.
type Options struct {
	// Log is where the access log goes, by whole lines; nil: nowhere. Only Run writes to it.
	Log io.Writer
	// Registry takes the metrics; nil: one of the Recorder's own.
	Registry *prometheus.Registry
}

// Recorder writes the access log and counts. It is safe for concurrent use; a nil or zero Recorder records nothing.
type Recorder struct {
	registry *prometheus.Registry
	metrics  *metrics
	log      *accessLog
}

// New makes a Recorder that logs none of the allowed traffic; see Sample. Run must be running for the log to be written.
func New(o Options) *Recorder {
	r := &Recorder{registry: o.Registry, metrics: newMetrics()}
	if r.registry == nil {
		r.registry = prometheus.NewRegistry()
	}
	r.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.registry.MustRegister(r.metrics.collectors()...)
	if o.Log != nil {
		r.log = newAccessLog(o.Log, r.metrics)
	}
	return r
}

// Record takes in one entry. It never waits for the log to be written.
func (r *Recorder) Record(e Entry) {
	if r == nil || r.metrics == nil {
		return
	}
	r.metrics.count(&e)
	if r.log != nil {
		r.log.record(&e)
	}
}

// Sample sets how many percent of what is allowed and of no AUDIT or dry-run policy's interest are logged, from now on. All
// else always is, up to a limit a second.
func (r *Recorder) Sample(percent int) {
	if r != nil && r.log != nil {
		r.log.percent.Store(uint32(min(max(percent, 0), 100)))
	}
}

// Run writes the access log until ctx ends, and then what is left of it. It returns after the writer's last Write has.
func (r *Recorder) Run(ctx context.Context) {
	if r != nil && r.log != nil {
		r.log.run(ctx)
	}
}

// Handler serves the metrics in Prometheus' format. Who may ask is the caller's to decide.
func (r *Recorder) Handler() http.Handler {
	// A scrape costs more than anything else here, so that few at a time are enough.
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}
