// Package authz is the one decision engine: compiled inbound policy in, a request in, a verdict out, together with the
// object and the rule that made it. The proxy, the CLI and the tests all call Decide.
//
// It knows nothing of Kubernetes and nothing of sockets, and it is safe for concurrent use once compiled.
package authz
