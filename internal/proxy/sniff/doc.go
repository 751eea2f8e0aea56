// Package sniff looks at the first bytes of a connection without consuming them: whether the client begins with TLS, and
// what its ClientHello says, or with plaintext, or says nothing.
//
// Whoever decides by what is found must not be led to another reading than the one who acts on the bytes. So a ClientHello
// counts only when it was read to its end, however many segments and records it comes in. What begins like TLS and cannot be
// read is BrokenTLS, never TLS without names and never plaintext: it is for a handshake to fail on, or to be refused.
package sniff
