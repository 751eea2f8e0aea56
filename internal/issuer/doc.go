// Package issuer says who signs workload certificates. An Issuer is given an identity and a key and returns a certificate
// chain; what it signs with, and whom that makes trusted, is its Authority.
//
// Builtin signs with a CA key that the operator keeps in a Secret of its own namespace.
package issuer
