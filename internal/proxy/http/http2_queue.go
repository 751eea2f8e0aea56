package http

import (
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2ChunkSize is the largest frame that we accept, the default of RFC 9113: one DATA frame fits one chunk.
const h2ChunkSize = 16 << 10

// h2Chunk is a piece of a body on its way from one side to the other.
type h2Chunk struct {
	from, to int
	buf      [h2ChunkSize]byte
}

func (c *h2Chunk) bytes() []byte { return c.buf[c.from:c.to] }

var h2Chunks = sync.Pool{New: func() any { return new(h2Chunk) }}

func newH2Chunk() *h2Chunk {
	c := h2Chunks.Get().(*h2Chunk)
	c.from, c.to = 0, 0
	return c
}

func (c *h2Chunk) free() { h2Chunks.Put(c) }

// h2Fields is a header block, kept in a pool: every message needs one or two for a moment.
type h2Fields struct {
	list []hpack.HeaderField
}

var h2FieldLists = sync.Pool{New: func() any { return &h2Fields{list: make([]hpack.HeaderField, 0, 16)} }}

func newH2Fields() *h2Fields { return h2FieldLists.Get().(*h2Fields) }

func (f *h2Fields) add(name, value string) {
	f.list = append(f.list, hpack.HeaderField{Name: name, Value: value})
}

func (f *h2Fields) free() {
	clear(f.list)
	f.list = f.list[:0]
	h2FieldLists.Put(f)
}

// h2Item is one step of what a stream has to send: a header block, a piece of the body, or a reset that must not overtake
// what stands before it.
type h2Item struct {
	request bool // the header block of the stream's request
	fields  *h2Fields
	data    *h2Chunk
	end     bool // END_STREAM goes with it; it may be all there is
	reset   bool
	code    http2.ErrCode
}

// h2Queue is what a stream has to send, in order. How much of a body is in it is bounded by the window that its source was
// given; how many header blocks, by whoever pushes them.
type h2Queue struct {
	items []h2Item
	head  int
	first [3]h2Item // most messages need no more
}

func (q *h2Queue) empty() bool { return q.head == len(q.items) }

func (q *h2Queue) len() int { return len(q.items) - q.head }

func (q *h2Queue) front() *h2Item { return &q.items[q.head] }

func (q *h2Queue) last() *h2Item { return &q.items[len(q.items)-1] }

func (q *h2Queue) push(item h2Item) {
	if q.items == nil {
		q.items = q.first[:0]
	}
	if q.head > 0 && len(q.items) == cap(q.items) { // make room at the front before asking for more
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, item)
}

func (q *h2Queue) pop() {
	q.items[q.head] = h2Item{}
	q.head++
	if q.empty() {
		q.items, q.head = q.items[:0], 0
	}
}

// pushData takes the chunk over. A frame that fits behind the one before it is copied there, so that many small frames do
// not each hold the memory of a large one: chunks are always half full on average.
func (q *h2Queue) pushData(c *h2Chunk, end bool) {
	if !q.empty() {
		if tail := q.last().data; tail != nil && len(tail.buf)-tail.to >= c.to-c.from {
			tail.to += copy(tail.buf[tail.to:], c.bytes())
			q.last().end = end
			c.free()
			return
		}
	}
	if c.from == c.to {
		c.free()
		c = nil
		if !end {
			return
		}
	}
	q.push(h2Item{data: c, end: end})
}

// discard empties the queue and returns how many bytes of a body were in it.
func (q *h2Queue) discard() (n int) {
	for ; !q.empty(); q.pop() {
		item := q.front()
		if item.fields != nil {
			item.fields.free()
		}
		if item.data != nil {
			n += len(item.data.bytes())
			item.data.free()
		}
	}
	return n
}

// h2List is a list of halves that wait for their turn. A half is in one list at most: while it has no number in that of the
// waiting, later in that of those that have something to send.
type h2List struct{ head, tail *h2Half }

func (l *h2List) push(h *h2Half) {
	if h.listed {
		return
	}
	h.listed, h.next = true, nil
	if l.tail == nil {
		l.head = h
	} else {
		l.tail.next = h
	}
	l.tail = h
}

func (l *h2List) pop() *h2Half {
	h := l.head
	if h == nil {
		return nil
	}
	if l.head = h.next; l.head == nil {
		l.tail = nil
	}
	h.listed, h.next = false, nil
	return h
}
