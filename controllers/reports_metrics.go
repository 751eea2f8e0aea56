package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Metrics of what exists and of what is wrong with it. Labels are kinds, severities and reasons out of fixed lists, never
// names.
var (
	indexObjects = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "warifu_index_objects",
		Help: "Objects in the policy index of this replica, by kind. Replicas that differ for long do not see the same cluster.",
	}, []string{"kind"})
	findingsGauge = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "warifu_findings",
		Help: "What is wrong with policies and pods, or legal and surprising, by kind of object, severity and reason. Counted by the leader.",
	}, []string{"kind", "severity", "reason"})
	uninjectedPods = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "warifu_uninjected_pods",
		Help: "Pods that lack what they would be given if they were created now, by reason. Counted by the leader.",
	}, []string{"reason"})
	misunderstoodNamespaces = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "warifu_misunderstood_namespaces",
		Help: "Namespaces with a label of Warifu's whose value is not understood, by reason. Counted by the leader.",
	}, []string{"reason"})
)

func init() {
	metrics.Registry.MustRegister(indexObjects, findingsGauge, uninjectedPods, misunderstoodNamespaces)
}
