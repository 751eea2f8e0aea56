package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// namespaces are what a node has of its own.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// Options of a process with namespaces of its own.
type Options struct {
	// Program calls Run with the rest of its arguments.
	Program string
	Args    []string
	Record  string // the file for its Process
	Log     string // the file for its output
}

// Held is a process that has its namespaces and waits: nothing of the node runs before Release, and a process whose starter
// dies before that ends.
type Held struct {
	Process
	command *exec.Cmd
	hold    *os.File
}

// Start starts the first process of a node and holds it.
func Start(o Options) (_ *Held, err error) {
	if err := os.MkdirAll(filepath.Dir(o.Log), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	wait, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer wait.Close()
	// What the starter was handed itself, such as a lock of its caller's, is not the node's to hold.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, errors.Join(fmt.Errorf("keeping files from the node: %w", err), hold.Close())
	}
	h := &Held{hold: hold, command: exec.Command(o.Program, o.Args...)}
	h.command.Stdin, h.command.Stdout, h.command.Stderr = wait, log, log
	h.command.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true, // a Ctrl-C is for the starter
		Cloneflags: namespaces,
	}
	if err := h.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a process with namespaces of its own: %w", err), hold.Close())
	}
	if h.Process, err = observe(h.command.Process.Pid); err == nil {
		err = writeJSON(o.Record, h.Process)
	}
	if err != nil {
		return nil, errors.Join(err, h.command.Process.Kill(), hold.Close())
	}
	return h, nil
}

// Release lets the process go on, without its starter.
func (h *Held) Release() error {
	_, err := h.hold.Write([]byte{'\n'})
	return errors.Join(err, h.hold.Close(), h.command.Process.Release())
}

// Abandon ends the process.
func (h *Held) Abandon() error {
	err := errors.Join(h.hold.Close(), h.command.Process.Kill())
	_ = h.command.Wait() // it says that it was killed
	return err
}

func writeJSON(path string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// Kill kills the process of the record, waits until it and all it had are gone, and removes the record.
func Kill(ctx context.Context, record string) error {
	p, err := LoadProcess(record)
	if err != nil {
		return err
	}
	for p.Alive() {
		if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("killing process %d: %w", p.PID, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d does not end: %w", p.PID, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := os.Remove(record); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
