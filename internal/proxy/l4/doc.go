// Package l4 is the data plane on the level of connections, for one workload: what its clients open to it, and what it opens
// itself.
//
//   - The way in: the original destination, the mode of its port, the client's first bytes (package sniff), mutual TLS where
//     it is due, one decision, and then either a session of package http or bytes from end to end.
//   - The way out: the original destination, what the control plane says of it, one of its endpoints, TLS as that endpoint
//     asks for it, and bytes from end to end.
//
// A Workload is a value: a process may have several. Everything that it needs of the world is handed to New, so that nothing
// here knows of network namespaces, files or the control API.
//
// No decision is for ever. Every connection is registered from the moment it is accepted, together with a way to decide about
// it again; Recheck asks all of them after a change of configuration, trust or addresses, and cuts those that would not be
// let in any more.
//
// # How a client begins on a PERMISSIVE port
//
// There a client chooses between mesh TLS, TLS of the application's own, and plaintext, and policies may ask for the SNI. So
// the choice must not depend on how the bytes are cut. A ClientHello counts only when it was read to its end, in however many
// segments and records it comes. What begins like TLS and cannot be read to its end is refused: passing it on would be passing
// on TLS whose names nobody has seen, to an application that may well read it. A client that is silent is taken for one that
// waits for the server to speak; its first bytes are looked at all the same, whenever they come, and are refused if they are a
// ClientHello of the mesh. On STRICT ports and on those that carry HTTP the handshake decides, and nothing else.
package l4
