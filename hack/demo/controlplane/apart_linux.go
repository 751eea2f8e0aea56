package main

import "syscall"

// apart is a process that a Ctrl-C, which is for the demo, does not reach. It does not outlive the demo either.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
