// Package webhooks answers the API server: it injects pods (/mutate-pods) and refuses policies that cannot be obeyed
// (/validate-…). Handlers decode, call a pure function (inject.Decide, policy.Check…) and respond; what is decided stands
// there, not here.
//
// Admission is served by every replica with a certificate of the webhook's own small CA (Certificates), so that it depends on
// nothing that admission itself could hold up. The leader alone makes and renews that certificate (CertificateReconciler).
//
// The webhook configurations are the chart's; their entries must point at the paths below, and their caBundle is written by
// the leader and by nobody else.
package webhooks
