package l4

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/warifu/warifu/internal/proxy/telemetry"
)

// handed is one end of a connection within the process. A pair of sockets knows no RST, so that is told on the side.
type handed struct {
	*net.UnixConn
	broken *atomic.Bool // shared by both ends
}

// wasReset says whether the end of the stream is that of a connection that was reset.
func (h *handed) wasReset() bool { return h.broken.Load() }

// handOff connects the workload to itself: what a proxy sends to its own pod is not redirected, and would reach the
// application past its policies. The connection goes to the inbound side within the process, which treats it as any other.
func (w *Workload) handOff(from, to netip.AddrPort) (net.Conn, error) {
	near, far, err := handedPair()
	if err != nil {
		return nil, fmt.Errorf("connection to the own pod: %w", err)
	}
	w.handle(far, telemetry.Inbound, from, to)
	return near, nil
}

func handedPair() (near, far *handed, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	broken := new(atomic.Bool)
	near, nearErr := newHanded(fds[0], broken)
	far, farErr := newHanded(fds[1], broken)
	if err := errors.Join(nearErr, farErr); err != nil {
		for _, h := range []*handed{near, far} {
			if h != nil {
				_ = h.Close()
			}
		}
		return nil, nil, err
	}
	return near, far, nil
}

func newHanded(fd int, broken *atomic.Bool) (*handed, error) {
	file := os.NewFile(uintptr(fd), "own pod")
	defer file.Close()
	conn, err := net.FileConn(file) // takes a copy of the descriptor
	if err != nil {
		return nil, err
	}
	unix, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("a pair of sockets came out as %T", conn)
	}
	return &handed{UnixConn: unix, broken: broken}, nil
}
