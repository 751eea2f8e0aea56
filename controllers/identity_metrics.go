package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Metrics of identities. Labels are reasons out of fixed lists, never names.
var (
	certificatesIssued = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "warifu_certificates_issued_total",
		Help: "Workload certificates issued, by the reason for issuing them.",
	}, []string{"reason"})
	certificatesFailed = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "warifu_certificates_failed_total",
		Help: "Workload certificates that could not be issued or written, by reason.",
	}, []string{"reason"})
	identityGauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "warifu_identities",
		Help: "ServiceAccounts that are to have an identity, by state.",
	}, []string{"state"})
	signerExpiry = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "warifu_signer_not_after_seconds",
		Help: "When the certificate that signs workload certificates expires, as Unix time; 0 while nothing can be signed.",
	})
)

func init() {
	metrics.Registry.MustRegister(certificatesIssued, certificatesFailed, identityGauge, signerExpiry)
}

func (c identityCounts) export() {
	identityGauge.WithLabelValues(string(identityIssued)).Set(float64(c.Issued))
	identityGauge.WithLabelValues(string(identityPending)).Set(float64(c.Pending))
	identityGauge.WithLabelValues(string(identityFailed)).Set(float64(c.Failed))
}
