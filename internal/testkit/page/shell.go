package page

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Shell is one that commands are typed into, one after another: what one exports, or leaves running, is there for the next. It
// is for one goroutine.
type Shell struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	end *os.File
}

// done is printed after each command, with its status.
const done = "warifu-documents-done"

// NewShell starts a shell in a folder. Close ends it, and so does the end of the context.
func NewShell(ctx context.Context, folder string, env []string) (*Shell, error) {
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", "-o", "pipefail")
	cmd.Dir, cmd.Env = folder, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with what it left running
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, toOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = toOut, toOut
	if err := errors.Join(cmd.Start(), toOut.Close()); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return &Shell{cmd: cmd, in: in, out: bufio.NewReader(out), end: out}, nil
}

// Run types a command and waits for its end. It returns what was printed, to both outputs, and the status; an error where the
// shell itself did not go on.
func (s *Shell) Run(command string) (printed string, status int, err error) {
	// Nobody answers questions; and the next command is not this one's input.
	if _, err := fmt.Fprintf(s.in, "{\n%s\n} </dev/null\nprintf '\\n%s %%d\\n' $?\n", command, done); err != nil {
		return "", 0, err
	}
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			return printed + line, 0, fmt.Errorf("the shell ended at %q: %w: %s", command, err, printed+line)
		}
		if rest, ended := strings.CutPrefix(line, done+" "); ended {
			status, err := strconv.Atoi(strings.TrimSpace(rest))
			return strings.TrimSuffix(printed, "\n"), status, err
		}
		printed += line
	}
}

// Close ends the shell and what its commands left running.
func (s *Shell) Close() error {
	err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait() // was killed
	return errors.Join(err, s.end.Close())
}
