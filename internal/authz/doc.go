// Package authz is the one decision engine: compiled inbound policy in, a request in, a verdict out, together with the
// object and the rule that made it. The proxy, the CLI and the tests all call Decide; admission checks single values with
// the same parsers, so that what it accepts is what decides.
//
// It knows nothing of Kubernetes and nothing of sockets, and it is safe for concurrent use once compiled.
//
// Attributes that programs are known to read in different ways are the classic bypass of such an engine. There are two
// guards: NormalizePath makes one path for the decision and the application, and check.wide reads the rest to the
// disadvantage of the client.
package authz
