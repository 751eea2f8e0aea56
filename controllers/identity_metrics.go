package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/warifu/warifu/internal/issuer"
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
	nextRenewal = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "warifu_next_renewal_timestamp_seconds",
		Help: "When the next workload certificate is due for renewal, as Unix time; 0 where none is, and on replicas that do not lead.",
	})
	trustDomainReady = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "warifu_trust_domain_ready",
		Help: "1 when the condition Ready of the TrustDomain is true; 0 otherwise, and on replicas that do not lead.",
	})
	signerExpiry = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "warifu_signer_expiry_timestamp_seconds",
		Help: "When the certificate that signs workload certificates expires, as Unix time; 0 while nothing can be signed, and on replicas that do not lead.",
	})
	issuerProblems = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "warifu_issuer_problem",
		Help: "1 for the reason why the issuer, or cert-manager behind it, does not do its part; no series while it does, and on replicas that do not lead.",
	}, []string{"reason"})
)

func init() {
	metrics.Registry.MustRegister(certificatesIssued, certificatesFailed, identityGauge, nextRenewal, trustDomainReady, signerExpiry, issuerProblems)
}

// export tells of the trust domain that is served.
func (f trustDomainFacts) export() {
	f.Counts.export()
	trustDomainReady.Set(map[metav1.ConditionStatus]float64{metav1.ConditionTrue: 1}[readyCondition(f).Status])
	signerExpiry.Set(0)
	if f.Authority != nil && f.Authority.Signer != nil {
		signerExpiry.Set(float64(f.Authority.Signer.NotAfter.Unix()))
	}
	issuerProblems.Reset()
	reason := issuer.ReasonOf(f.LoadErr)
	if f.IssuerProblem != nil {
		reason = f.IssuerProblem.Reason
	}
	if reason != "" {
		issuerProblems.WithLabelValues(string(reason)).Set(1)
	}
}

func (c identityCounts) export() {
	identityGauge.WithLabelValues(string(identityIssued)).Set(float64(c.Issued))
	identityGauge.WithLabelValues(string(identityPending)).Set(float64(c.Pending))
	identityGauge.WithLabelValues(string(identityFailed)).Set(float64(c.Failed))
	nextRenewal.Set(0)
	if !c.NextRenewal.IsZero() {
		nextRenewal.Set(float64(c.NextRenewal.Unix()))
	}
}
