package sniff

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// Kind is how a client begins.
type Kind int

// The kinds.
const (
	// Silent: the client sent nothing for as long as was waited.
	Silent Kind = iota
	// Closed: the client finished without a byte.
	Closed
	// Plaintext: the first bytes are not those of TLS.
	Plaintext
	// TLS: a ClientHello, read to its end.
	TLS
	// BrokenTLS: it begins like TLS, and the ClientHello could not be read to its end.
	BrokenTLS
)

// First is what the first bytes of a connection say.
type First struct {
	Kind Kind
	// Hello of the kind TLS.
	Hello Hello
	// Problem of the kind BrokenTLS.
	Problem error
}

// Patience is how long to wait.
type Patience struct {
	// First byte; no limit where it is 0.
	First time.Duration
	// Hello is how long a ClientHello may take once it has begun.
	Hello time.Duration
}

// Bounds of what is held of a connection, in bytes. The ClientHello of crypto/tls may have as much as mostHeld; what
// clients send has one or two thousand bytes.
const (
	firstHeld = 2 << 10
	mostHeld  = 64 << 10
)

// Look waits for the client's first bytes and says what they are; they are still there to be read. It sets read deadlines
// and clears them. An error is one of the connection itself.
func (c *Conn) Look(patience Patience) (First, error) {
	defer c.SetReadDeadline(time.Time{}) //nolint:errcheck // fails on a closed connection only, as the next read does
	if len(c.held) == 0 {
		kind, err := c.await(patience.First)
		if err != nil || kind != Plaintext {
			return First{Kind: kind}, err
		}
	}
	if c.held[0] != recordHandshake {
		return First{Kind: Plaintext}, nil
	}
	if err := c.SetReadDeadline(time.Now().Add(patience.Hello)); err != nil {
		return First{}, fmt.Errorf("read deadline: %w", err)
	}
	return c.readHello()
}

// await reads at least one byte; Plaintext stands for anything that was read.
func (c *Conn) await(wait time.Duration) (Kind, error) {
	if wait > 0 {
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return Silent, fmt.Errorf("read deadline: %w", err)
		}
	}
	switch err := c.more(); {
	case err == nil:
		return Plaintext, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Silent, nil
	case errors.Is(err, io.EOF):
		return Closed, nil
	default:
		return Silent, fmt.Errorf("first bytes: %w", err)
	}
}

// readHello reads until the ClientHello is whole, or cannot become so.
func (c *Conn) readHello() (First, error) {
	var a assembly
	for {
		message, err := a.take(c.held)
		switch {
		case errors.Is(err, errNotTLS):
			return First{Kind: Plaintext}, nil //nolint:nilerr // what was found is the answer
		case err != nil:
			return First{Kind: BrokenTLS, Problem: err}, nil //nolint:nilerr // what was found is the answer
		case message != nil:
			return parsed(message), nil
		}
		switch err := c.more(); {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, errTooLong):
			return First{Kind: BrokenTLS, Problem: fmt.Errorf("ClientHello after %d bytes: %w", len(c.held), err)}, nil
		default:
			return First{}, fmt.Errorf("ClientHello: %w", err)
		}
	}
}

func parsed(message []byte) First {
	hello, err := parseHello(message)
	if err != nil {
		return First{Kind: BrokenTLS, Problem: err}
	}
	return First{Kind: TLS, Hello: hello}
}

// errTooLong: a ClientHello that no client has reason to send.
var errTooLong = fmt.Errorf("more than %d bytes", mostHeld)

// more reads once, behind what is held.
func (c *Conn) more() error {
	if len(c.held) >= mostHeld {
		return errTooLong
	}
	if cap(c.held) == len(c.held) {
		c.held = slices.Grow(c.held, max(firstHeld, len(c.held)))
	}
	n, err := c.Conn.Read(c.held[len(c.held):min(cap(c.held), mostHeld)])
	c.held = c.held[:len(c.held)+n]
	if n > 0 {
		return nil
	}
	return err
}
