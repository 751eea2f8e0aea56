package http

import "time"

// Limits. A client that passes one is refused, never served halfway: what bounds memory and time must not depend on the
// client's manners.
const (
	// maxHead bounds request line and header fields, in bytes. Common servers take 8 to 64 KiB, so what passes here is never
	// less than what an application behind us takes.
	maxHead = 64 << 10
	// maxFields bounds the number of header fields, so that a head of empty ones cannot cost more than one of long ones.
	maxFields = 128
	// maxTarget bounds the request target, in bytes; URLs of more than 8 KiB do not survive the way through the world.
	maxTarget = 16 << 10
	// maxTrailers bounds the trailer section of a body, in bytes. It carries checksums and states, not data.
	maxTrailers = 8 << 10

	// headTimeout is how long a request's head may take from its first byte to its last: what a slow client may hold.
	headTimeout = time.Minute
	// idleTimeout is how long a connection may wait for its next request. Clients keep pools; whoever closes first loses a
	// race against a request under way, so it is the client or the application that should.
	idleTimeout = time.Hour
	// dialTimeout bounds connecting to the application, which is in the same pod. Three SYNs are lost by then.
	dialTimeout = 5 * time.Second
	// lingerTimeout and lingerBytes bound what is still read, and thrown away, of a client that is being closed on: closing
	// with unread bytes resets the connection, and the client might lose the answer.
	lingerTimeout = 2 * time.Second
	lingerBytes   = 256 << 10
	// drainLead is how long before a certificate expires its connections begin to drain; at most half of what is left when
	// they open, so that each can be of use.
	drainLead = time.Minute
	// maxStreams bounds the requests at one time of an HTTP/2 connection; RFC 9113 advises against less than 100.
	maxStreams = 250
)

// Sizes of buffers, in bytes.
const (
	// smallBuffer holds nearly every head. It is all that an idle connection keeps.
	smallBuffer = 4 << 10
	// copyBuffer carries bodies: two TLS records.
	copyBuffer = 32 << 10
)
