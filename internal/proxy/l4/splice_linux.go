package l4

import "syscall"

// Flags of splice(2), and how much is moved at a time: the most that an unprivileged process may have in a pipe.
const (
	spliceFlags = 0x1 | 0x2 // SPLICE_F_MOVE, SPLICE_F_NONBLOCK
	spliceSize  = 1 << 20
)

// pipe is where the kernel keeps bytes between two sockets.
type pipe struct{ read, write int }

// pipes are kept for later, a few: the kernel bounds what pipes hold for each user of a node, and every proxy on it runs as
// the same one.
var pipes = make(chan pipe, 8)

func takePipe() (pipe, error) {
	select {
	case p := <-pipes:
		return p, nil
	default:
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return pipe{}, err
	}
	// Where the user has too much in pipes already, the default of 64 KiB remains.
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fds[1]), syscall.F_SETPIPE_SZ, spliceSize)
	return pipe{read: fds[0], write: fds[1]}, nil
}

// givePipe takes an empty pipe back.
func givePipe(p pipe) {
	select {
	case pipes <- p:
	default:
		p.close()
	}
}

func (p pipe) close() {
	_ = syscall.Close(p.read)
	_ = syscall.Close(p.write)
}

// splice moves bytes from one socket to another within the kernel, for as long as there are some at hand. It does not wait
// for more, so that an idle connection holds no pipe. Where it cannot be done it moves nothing and the bytes remain for read.
func splice(to, from *rawEnd) (moved int64, err error) {
	p, err := takePipe()
	if err != nil {
		return 0, nil //nolint:nilerr // out of file descriptors or pipes: bytes are copied instead
	}
	var n int64
	var spliceErr error
	in := func(fd uintptr) bool {
		n, spliceErr = spliceOnce(int(fd), p.write, spliceSize)
		return true
	}
	var left int64
	out := func(fd uintptr) bool {
		n, spliceErr = spliceOnce(p.read, int(fd), int(left))
		return spliceErr != syscall.EAGAIN
	}
	for {
		if err := from.raw.Read(in); err != nil || spliceErr != nil || n == 0 {
			givePipe(p)
			return moved, err // the next read meets whatever it was, be it the end
		}
		for left = n; left > 0; left -= n {
			err := to.raw.Write(out)
			if err == nil {
				err = spliceErr
			}
			if err != nil {
				p.close()
				return moved, err
			}
			moved += n
		}
	}
}

func spliceOnce(from, to, most int) (int64, error) {
	for {
		n, err := syscall.Splice(from, nil, to, nil, most, spliceFlags)
		if err != syscall.EINTR { //nolint:errorlint // of the kernel, unwrapped
			return max(n, 0), err
		}
	}
}
