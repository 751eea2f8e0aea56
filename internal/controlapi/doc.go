// Package controlapi is the operator's API for proxies: HTTP/2 over TLS 1.3 with client certificates, one long stream for each
// proxy. A proxy proves its ServiceAccount by its certificate and its pod by a token, and is told its own configuration,
// what it asks about addresses, and the credentials that its rules name.
//
// Every replica serves from an index of its own. A stream is level-triggered: the index marks what a change concerns, and
// the stream works out and sends the latest state of that when the proxy can take it.
package controlapi
