package podnet

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Process is a program that runs, or has run, in a pod. Its methods may be called by many goroutines.
type Process struct {
	pod            *Pod
	cmd            *exec.Cmd
	stdout, stderr *output
	done           chan struct{}
	err            error // once done is closed
}

// Start starts a program in the pod. With the test it is killed, if it has not ended by then, and if the test has failed its
// output is logged.
func (p *Pod) Start(t testing.TB, c Command) *Process {
	t.Helper()
	process, err := p.start(c)
	if err != nil {
		t.Fatalf("pod %s: starting %s: %v", p.Name, c.Path, err)
	}
	t.Cleanup(func() {
		process.Kill()
		if t.Failed() {
			t.Logf("pod %s: output of %s (%v):\n%s%s", p.Name, c.Path, process.err, process.Stdout(), process.Stderr())
		}
	})
	return process
}

// Run runs a program in the pod to its end and returns what it wrote to both outputs. Done with ctx, it is killed.
func (p *Pod) Run(ctx context.Context, c Command) (string, error) {
	process, err := p.start(c)
	if err != nil {
		return "", fmt.Errorf("pod %s: starting %s: %w", p.Name, c.Path, err)
	}
	err = process.Wait(ctx)
	process.Kill()
	out := process.Stdout() + process.Stderr()
	if err != nil {
		return out, fmt.Errorf("pod %s: %s: %w: %s", p.Name, c.Path, err, out)
	}
	return out, nil
}

func (p *Pod) start(c Command) (*Process, error) {
	process := &Process{pod: p, stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	if err := c.find(); err != nil {
		return nil, err
	}
	process.cmd = &exec.Cmd{
		Path: c.Path, Args: append([]string{filepath.Base(c.Path)}, c.Args...), Env: c.Env, Dir: c.Dir,
		Stdin: c.Stdin, Stdout: process.stdout, Stderr: process.stderr,
		WaitDelay: time.Second, // for children that keep the outputs open
		SysProcAttr: &syscall.SysProcAttr{
			Setpgid:    true,            // Kill reaches its children
			Pdeathsig:  syscall.SIGKILL, // when the thread that started it dies, and so when the test crashes
			Credential: &syscall.Credential{Uid: c.UID, Gid: c.GID},
		},
	}
	started := make(chan struct{})
	go func() {
		defer close(process.done)
		process.err = p.Do(func() error {
			if err := c.enclose(); err != nil {
				return err
			}
			if err := process.cmd.Start(); err != nil {
				return err
			}
			close(started)
			return process.cmd.Wait() // the thread lives as long as the process
		})
	}()
	select {
	case <-started:
	case <-process.done:
		if process.cmd.Process == nil {
			return nil, process.err
		}
	}
	return process, nil
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout is what the process has written to its standard output so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr is what the process has written to its standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end of the process, and returns an *exec.ExitError where it was not a good one. It does not end the
// process when ctx is done.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// WaitForOutput waits until the process has written the text to either output.
func (p *Process) WaitForOutput(ctx context.Context, text string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan bool, 2)
	for _, o := range []*output{p.stdout, p.stderr} {
		go func() { found <- o.waitFor(ctx, p.done, text) }()
	}
	for range 2 {
		if <-found {
			return nil
		}
	}
	return fmt.Errorf("waiting for %q: it was not written: %s%s", text, p.Stdout(), p.Stderr())
}

// Signal sends a signal to the process alone.
func (p *Process) Signal(signal syscall.Signal) error { return p.cmd.Process.Signal(signal) }

// Stop asks the process to end with SIGTERM, and kills it when it has not done so when ctx is done. It returns as Wait does.
func (p *Process) Stop(ctx context.Context) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return errors.Join(err, p.Wait(ctx))
	}
	err := p.Wait(ctx)
	p.Kill()
	return err
}

// Kill ends the process and its children at once, and returns when it is gone.
func (p *Process) Kill() {
	select {
	case <-p.done: // its number may be another's by now
	default:
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	}
	<-p.done
}
