package controlapi

import (
	"io"
	"net"
	"sync"
	"testing"
)

// door is an address that stays while replicas come and go behind it, as a Service's does.
type door struct {
	addr string

	mu sync.Mutex
	to string
}

// newDoor leads to a replica until lead says otherwise.
func newDoor(t testing.TB, to *replica) *door {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	d := &door{addr: listener.Addr().String(), to: to.addr}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go d.pass(conn)
		}
	}()
	return d
}

// lead has new connections lead to a replica.
func (d *door) lead(to *replica) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to.addr
}

func (d *door) pass(conn net.Conn) {
	defer conn.Close()
	d.mu.Lock()
	to := d.to
	d.mu.Unlock()
	behind, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer behind.Close()
	go func() {
		_, _ = io.Copy(behind, conn)
		_ = behind.Close()
	}()
	_, _ = io.Copy(conn, behind)
}
