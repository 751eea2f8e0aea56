package webhooks

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// servingExpiry is of this replica: each serves what it has in memory.
var servingExpiry = prometheus.NewGauge(prometheus.GaugeOpts{
	Name: "warifu_webhook_certificate_expiry_timestamp_seconds",
	Help: "When the certificate that this replica serves admission with expires, as Unix time; 0 while there is none.",
})

func init() { metrics.Registry.MustRegister(servingExpiry) }

// Results of an admission request for a pod.
const (
	resultInjected = "injected"
	resultSkipped  = "skipped"
	resultRefused  = "refused"
	resultFailed   = "failed"
)

// injectionCounter counts what became of pods. Its labels are bounded: the reasons are constants of internal/inject.
type injectionCounter struct{ *prometheus.CounterVec }

func newInjectionCounter(registerer prometheus.Registerer) (injectionCounter, error) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "warifu_injection_total",
		Help: "Pods that admission asked about, by result (injected, skipped, refused, failed) and reason.",
	}, []string{"result", "reason"})
	err := registerer.Register(counter)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		return injectionCounter{already.ExistingCollector.(*prometheus.CounterVec)}, nil
	}
	return injectionCounter{counter}, err
}

func (c injectionCounter) count(result, reason string) { c.WithLabelValues(result, reason).Inc() }
