// Package mtls makes every tls.Config of the project, and nothing else does.
//
// In go a Source of certificate, key and trust bundle, asked again at every handshake so that a renewed certificate or a
// changed bundle needs no restart, and a Verifier that says which identities are accepted. Out comes a configuration with
// which both ends prove a SPIFFE ID over TLS 1.3. Servers outside of the mesh, which a DestinationRule names by CA and
// subjectAltNames, have ForeignClientConfig.
//
// Three rules hold for all of them; only who answers a probe, or is exempted by insecureSkipVerify, is not checked at all:
//   - The peer is checked in VerifyConnection, which runs on every connection. VerifyPeerCertificate is skipped when a
//     session is resumed, so it is not used, and resumption is off.
//   - Missing trust material is an error. There is no way to the system's roots from here.
//   - Nobody is accepted by default.
package mtls
