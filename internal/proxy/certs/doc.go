// Package certs turns what a DestinationRule of mode SIMPLE or MUTUAL names (files in the pod's volumes, or a Secret) into
// the TLS configuration of a client, and watches the workload's own identity.
//
// What cannot be read never leads to plaintext, to less verification or to the system's roots: at first use it is an error,
// later the last good material stays in use and the error is reported.
package certs
