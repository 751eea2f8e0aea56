// Package proxyconfig is what a proxy is told: small versioned JSON structs without Kubernetes types. The policy compiler
// writes them, internal/authz and the proxy read them.
//
// Slices are ordered and their order is meant: evaluation never depends on a map.
package proxyconfig
