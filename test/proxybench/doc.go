// Package proxybench measures the sidecar pair beside HAProxy and nginx as the same pair: application, proxy, mutual TLS 1.3,
// proxy, application, each proxy on one core, all in one run. `make bench-proxy` prints the table.
package proxybench
