package l4

import "sync"

// plainSize is how much is read from an application at a time: four TLS records of full size.
const plainSize = 64 << 10

// chunkSize has room for the same with the overhead of TLS, and is a whole number of pages.
const chunkSize = 72 << 10

// chunk is a buffer that is held only while there are bytes in it.
type chunk [chunkSize]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

func takeChunk() *chunk { return chunks.Get().(*chunk) }

func giveChunk(c *chunk) { chunks.Put(c) }
