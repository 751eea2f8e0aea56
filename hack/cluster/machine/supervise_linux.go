package machine

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// pause is how long a program that ended is left alone. Most end because what they need is not there yet.
const pause = 500 * time.Millisecond

// supervisor runs the programs of a node and buries what nobody else does: it is the first process, so every orphan of the
// node is its child.
type supervisor struct {
	env []string

	mu      sync.Mutex
	running map[int]Program
}

// supervise runs the programs until the process is killed.
func supervise(spec Spec) error {
	s := &supervisor{
		env:     []string{"PATH=" + spec.Path, "HOME=/var/lib", "LANG=C.UTF-8"},
		running: map[int]Program{},
	}
	for _, p := range spec.Programs {
		if err := s.start(p); err != nil {
			return err
		}
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.ECHILD): // the switch, or all programs wait to be started again
			time.Sleep(pause)
		case err != nil:
			return err
		default:
			s.ended(pid, status)
		}
	}
}

// start starts a program. The lock is held so that the end of a program is not seen before its start.
func (s *supervisor) start(p Program) error {
	log, err := p.open()
	if err != nil {
		return err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, err := syscall.ForkExec(p.Path, append([]string{p.Path}, p.Args...), &syscall.ProcAttr{
		Dir: "/", Env: s.env,
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.Path, err)
	}
	s.running[pid] = p
	return nil
}

// ended starts the program again that had the number; the process may also have been an orphan.
func (s *supervisor) ended(pid int, status syscall.WaitStatus) {
	s.mu.Lock()
	p, ok := s.running[pid]
	delete(s.running, pid)
	s.mu.Unlock()
	if !ok {
		return
	}
	fmt.Printf("%s %s ended: status %d, signal %d; starting it again\n", time.Now().Format(time.RFC3339), p.Name, status.ExitStatus(), status.Signal())
	time.AfterFunc(pause, func() {
		if err := s.start(p); err != nil {
			fmt.Println(err)
		}
	})
}
