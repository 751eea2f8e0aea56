//go:build !linux

package l4

import "syscall"

// readNow reads once from a socket that does not block.
func readNow(fd uintptr, p []byte) (int, error) {
	for {
		if n, err := syscall.Read(int(fd), p); err != syscall.EINTR { //nolint:errorlint // of the kernel, unwrapped
			return max(n, 0), err
		}
	}
}

// writeNow writes once to a socket that does not block.
func writeNow(fd uintptr, p []byte) (int, error) {
	for {
		if n, err := syscall.Write(int(fd), p); err != syscall.EINTR { //nolint:errorlint // of the kernel, unwrapped
			return max(n, 0), err
		}
	}
}
