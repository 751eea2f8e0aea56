// Package client is the proxy's half of the control API. One stream brings the workload's configuration and, for what the
// proxy really dials, addresses and credentials. What was told last stays usable while nobody can be asked, also across a
// restart of the proxy. It imports no Kubernetes.
package client
