package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// prepare makes programs and the cluster be found as a reader who follows the last lines of the demo finds them.
func (d *Demo) prepare() error {
	return errors.Join(
		os.Setenv("PATH", strings.Join(append(d.path, os.Getenv("PATH")), ":")),
		os.Setenv("KUBECONFIG", d.kubeconfig),
	)
}

// command is a line as it is typed, with no quotes in it.
func command(ctx context.Context, line string) *exec.Cmd {
	words := strings.Fields(line)
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) } // helm and make end what they began
	c.WaitDelay = 30 * time.Second
	return c
}

// show shows a command and its output as it comes.
func (d *Demo) show(ctx context.Context, line string) error {
	d.report.Command(line)
	out := d.report.Stream()
	defer out.Close()
	c := command(ctx, line)
	c.Stdout, c.Stderr = out, out
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// read runs a command that is nothing to the reader, and returns what it printed to its standard output.
func read(ctx context.Context, line string) (string, error) {
	var out, complaint bytes.Buffer
	c := command(ctx, line)
	c.Stdout, c.Stderr = &out, &complaint
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", line, err, &complaint)
	}
	return out.String(), nil
}

// answer is all that a command printed, whether it succeeded or not.
func answer(ctx context.Context, line string) string {
	out, err := command(ctx, line).CombinedOutput()
	if err != nil && len(out) == 0 {
		return err.Error()
	}
	return string(out)
}

// passOn runs a command in the place of this program.
func passOn(ctx context.Context, line string) error {
	c := command(ctx, line)
	c.Stdin, c.Stdout, c.Stderr = io.Reader(nil), os.Stdout, os.Stderr
	return c.Run()
}
