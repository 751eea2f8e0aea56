// Package pki makes certificates and judges them. In go plain values (keys, templates, PEM, the time), out come
// certificates that have been checked after they were signed, or a Reason why what exists has to be replaced.
//
// It is pure but for the system's randomness: no disk, no client, no clock. `now` is always an argument.
package pki
