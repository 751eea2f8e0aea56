package l4

import (
	"syscall"
	"unsafe"
)

// readNow and writeNow call the kernel for a socket that does not block, without telling Go's scheduler. syscall.Read and
// syscall.Write announce a call that may last, and a write does last when both ends are on one node: some 20 µs, in which the
// kernel delivers the bytes. Go's monitor then takes the processor away from the thread and wakes another one for it, and goes
// on looking every 20 µs for as long as it finds such calls. A proxy with one CPU gains nothing by that, since the CPU is busy
// in the kernel all the while, and for small messages it was a fifth of the cost (BenchmarkSmallMessages).
//
// The price: a collection of garbage waits for a call to return before it begins, which is the copy of a chunk at most.
func readNow(fd uintptr, p []byte) (int, error) { return callNow(syscall.SYS_READ, fd, p) }

func writeNow(fd uintptr, p []byte) (int, error) { return callNow(syscall.SYS_WRITE, fd, p) }

// callNow begins again where a signal interrupted it. There must be a byte in p at least.
func callNow(call, fd uintptr, p []byte) (int, error) {
	for {
		//nolint:gosec // the memory is Go's, and the compiler keeps it where it is for the call
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
