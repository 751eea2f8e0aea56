package sniff

import "net"

// Conn is a connection whose first bytes can be looked at before they are read. Like the connection below, it takes one
// reader at a time.
type Conn struct {
	net.Conn
	held []byte // read from the connection below, and by nobody else yet
}

// NewConn wraps a connection of which nothing has been read.
func NewConn(c net.Conn) *Conn { return &Conn{Conn: c} }

// Read hands out what was looked at, and then what follows.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.held) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.held)
	c.held = c.held[n:]
	if len(c.held) == 0 {
		c.held = nil
	}
	return n, nil
}

// CloseWrite ends this direction where the connection below can.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Release gives up the wrapper: the connection below, and the bytes that must be handed out before it is read.
func (c *Conn) Release() (net.Conn, []byte) {
	held := c.held
	c.held = nil
	return c.Conn, held
}
