// Package wire is what the two ends of the control API agree on beyond the structs of internal/proxyconfig: paths, times,
// bounds, and how a line is read and decoded. It imports no Kubernetes.
package wire
