// Package policy is the compiler. In go plain values: the policy kinds, namespaces, workloads, services and endpoints, one
// change at a time. Out come the inbound configuration of a workload (Compile), the TLS choice of a client for a destination
// (Client) and what is wrong or surprising about each object (Findings).
//
// The status controllers, the admission validators, the control API and the CLI all call this package, so a folder of YAML
// is a test case, a bug report and a CLI input alike. A bad object becomes a Finding on that object and never stops the
// others. Any order of changes gives the same index as building it from scratch.
package policy
