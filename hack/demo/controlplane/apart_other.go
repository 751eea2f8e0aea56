//go:build !linux

package main

import "syscall"

// apart is a process that a Ctrl-C, which is for the demo, does not reach. Where the demo is killed, nothing ends it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
