package webhooks

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

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
