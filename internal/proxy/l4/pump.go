package l4

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// pump carries bytes between a client and a server, both ways, until both have finished or one breaks off. A reader that is
// slow holds up the other end's writer, and nothing else: at most one chunk and the sockets' own buffers are in between.
type pump struct {
	flow           *flow
	client, server end
	running        atomic.Int32
	// fromClient and fromServer count bytes.
	fromClient, fromServer atomic.Int64
}

// start begins in two goroutines of their own, so that the one that made the connection ends and takes its stack along, which
// a handshake has made large. The flow finishes with the pump.
func (p *pump) start() {
	p.running.Store(2)
	go p.direction(p.server, p.client, &p.fromClient, "client")
	go p.direction(p.client, p.server, &p.fromServer, "server")
}

func (p *pump) direction(to, from end, count *atomic.Int64, name string) {
	if err := carry(to, from, count); err != nil {
		p.flow.end(brokenBy(name, err))
	}
	if p.running.Add(-1) == 0 {
		p.client.close()
		p.server.close()
		p.flow.finish()
	}
}

// brokenBy says what went wrong in the direction that begins at the client or the server.
func brokenBy(name string, err error) ending {
	var decided *ending
	switch {
	case errors.As(err, &decided):
		return *decided
	case errors.Is(err, errTruncated):
		return failed(ReasonTruncated, fmt.Sprintf("%s: %v; it crashed, or somebody cut the connection", name, err))
	default:
		return failed(ReasonBroken, fmt.Sprintf("bytes of the %s: %v", name, err))
	}
}

// carry moves bytes until from has finished, and passes that on.
func carry(to, from end, count *atomic.Int64) error {
	for {
		c, n, err := from.read()
		if errors.Is(err, io.EOF) {
			return to.closeWrite()
		}
		if err != nil {
			return err
		}
		err = to.write(c[:n])
		giveChunk(c)
		if err != nil {
			return err
		}
		count.Add(int64(n))
		if n < plainSize {
			continue
		}
		if err := carryOn(to, from, count); err != nil {
			return err
		}
	}
}

// carryOn goes on without copying, where there is much to carry and both ends are bare sockets.
func carryOn(to, from end, count *atomic.Int64) error {
	rawTo, ok := to.(interface{ bare() *rawEnd })
	if !ok {
		return nil
	}
	rawFrom, ok := from.(interface{ bare() *rawEnd })
	if !ok || len(rawFrom.bare().prefix) > 0 {
		return nil
	}
	moved, err := splice(rawTo.bare(), rawFrom.bare())
	count.Add(moved)
	return err
}
