// Package issuer says where workload certificates come from. What signs, and whom that makes trusted, is an Issuer's
// Authority. A Signer is given an identity and a key and returns a certificate chain.
//
// Builtin signs with a CA key that the operator keeps in a Secret of its own namespace. Package certmanager has the issuers
// behind which cert-manager stands.
package issuer
