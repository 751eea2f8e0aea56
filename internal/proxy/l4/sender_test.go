package l4

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// tcpPair is both ends of a connection over the loopback interface.
func tcpPair(t testing.TB) (one, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dialled.Close()
		accepted.Close()
	})
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

func rawPair(t testing.TB) (one, other *rawEnd) {
	t.Helper()
	left, right := tcpPair(t)
	one, err := newRawEnd(left, nil)
	if err != nil {
		t.Fatal(err)
	}
	if other, err = newRawEnd(right, nil); err != nil {
		t.Fatal(err)
	}
	return one, other
}

// fill sends until the socket takes no more, and returns how much that was.
func fill(t *testing.T, e *rawEnd) (sent int) {
	t.Helper()
	block := make([]byte, plainSize)
	full := false
	err := e.raw.Write(func(fd uintptr) bool {
		for !full {
			n, err := writeNow(fd, block)
			full = errors.Is(err, syscall.EAGAIN)
			if err != nil && !full {
				t.Error(err)
				return true
			}
			sent += n
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

func TestSendWaitsForRoom(t *testing.T) {
	one, other := rawPair(t)
	before := fill(t, one)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	sent := make(chan error, 1)
	go func() { sent <- one.write(want) }()
	got := make([]byte, before+len(want))
	if _, err := io.ReadFull(other.socket, got); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got[before:], want) {
		t.Error("other bytes arrived than were sent")
	}
}

func TestSendEndsWithTheConnection(t *testing.T) {
	for name, cut := range map[string]func(one, other *rawEnd){
		"reset by the other side": func(_, other *rawEnd) { reset(other.socket) },
		"reset by ourselves":      func(one, _ *rawEnd) { reset(one.socket) },
	} {
		t.Run(name, func(t *testing.T) {
			one, other := rawPair(t)
			fill(t, one)
			sent := make(chan error, 1)
			go func() { sent <- one.write(make([]byte, plainSize)) }()
			cut(one, other)
			if err := <-sent; err == nil {
				t.Error("what cannot have been sent was reported as sent")
			}
		})
	}
}

// BenchmarkSmallMessages is half a kilobyte from one socket to another on one processor, with many connections at once: by
// readNow and writeNow, and by package net, which announces each call to the scheduler.
func BenchmarkSmallMessages(b *testing.B) {
	b.Run("unannounced", func(b *testing.B) {
		benchmarkEcho(b, func(conn *net.TCPConn) func() error {
			e, err := newRawEnd(conn, nil)
			if err != nil {
				b.Fatal(err)
			}
			return func() error {
				c, n, err := e.read()
				if err != nil {
					return err
				}
				defer giveChunk(c)
				return e.write(c[:n])
			}
		})
	})
	b.Run("announced", func(b *testing.B) {
		benchmarkEcho(b, func(conn *net.TCPConn) func() error {
			return func() error {
				c := takeChunk()
				defer giveChunk(c)
				n, err := conn.Read(c[:])
				if err != nil {
					return err
				}
				_, err = conn.Write(c[:n])
				return err
			}
		})
	})
}

// benchmarkEcho has both ends of many connections send back what they get.
func benchmarkEcho(b *testing.B, turns func(*net.TCPConn) func() error) {
	const pairs = 16
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var done sync.WaitGroup
	share := b.N/(2*pairs) + 1
	before := cpuTime()
	for range pairs {
		one, other := tcpPair(b)
		if _, err := one.Write(make([]byte, 512)); err != nil {
			b.Fatal(err)
		}
		for _, conn := range []*net.TCPConn{one, other} {
			turn := turns(conn)
			done.Go(func() {
				for range share {
					if err := turn(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
	}
	done.Wait()
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(share*2*pairs), "cpu-ns/message")
}
