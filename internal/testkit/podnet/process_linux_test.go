package podnet

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCommand: what a program sees and may do.
func TestCommand(t *testing.T) {
	pod := New(t).Pod(t, "pod")
	dir := t.TempDir()
	file := filepath.Join(dir, "name")
	if err := os.WriteFile(file, []byte("mounted"), 0o644); err != nil {
		t.Fatal(err)
	}
	const target = "/var/run/secrets/warifu.dev/test"
	for _, tc := range []struct {
		name, script, want string
		command            Command
	}{
		{"a folder", "cat " + target + "/name", "mounted", Command{Mounts: []Mount{{Source: dir, Target: target}}}},
		{"a file", "cat " + target, "mounted", Command{Mounts: []Mount{{Source: file, Target: target}}}},
		{"over what exists", "cat /etc/hostname", "mounted", Command{Mounts: []Mount{{Source: file, Target: "/etc/hostname"}}}},
		{"as another user", "cat " + target + "/name", "mounted", Command{UID: 1774, GID: 1774, Mounts: []Mount{{Source: dir, Target: target}}}},
		{"writable", "echo x > " + target + "/new && cat " + target + "/new", "x", Command{Mounts: []Mount{{Source: dir, Target: target}}}},
		{"read-only", "touch " + target + "/new 2>&1 || echo refused", "refused", Command{Mounts: []Mount{{Source: dir, Target: target, ReadOnly: true}}}},
		{"an empty /run", "ls /run", "", Command{}},
		{"a writable root", "test -w / && test -w /run && echo yes", "yes", Command{}},
		{"a read-only root", "test -w / || test -w /run || echo no", "no", Command{ReadOnlyRoot: true}},
		{"user and group", "id -u; id -g; id -G", "1774\n1775\n1775", Command{UID: 1774, GID: 1775}},
		{"environment", "echo $A", "b", Command{Env: []string{"A=b"}}},
		{"root's capabilities", "grep CapEff /proc/self/status", "CapEff:\t0000000000001000", Command{Capabilities: []uintptr{unix.CAP_NET_ADMIN}}},
		{"no capabilities", "grep CapEff /proc/self/status", "CapEff:\t0000000000000000", Command{Capabilities: []uintptr{}}},
		{"no new privileges", "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1", Command{NoNewPrivileges: true}},
		{"standard input", "cat", "in", Command{Stdin: strings.NewReader("in")}},
		{"the pod's network", "cat /proc/net/dev | grep -c eth0:", "1", Command{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.command.Path, tc.command.Args = "/bin/sh", []string{"-c", tc.script}
			out, err := pod.Run(t.Context(), tc.command)
			if got := strings.TrimSpace(out); err != nil || !strings.HasSuffix(got, tc.want) {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
	if _, err := os.Stat(target); !os.IsNotExist(err) {
		t.Errorf("a mount is seen outside: %v", err)
	}
}

func TestStartFails(t *testing.T) {
	pod := New(t).Pod(t, "pod")
	for name, c := range map[string]Command{
		"no such name":    {Path: "no-such-program"},
		"no such program": {Path: "/no/such/program"},
		"no such source":  {Path: "true", Mounts: []Mount{{Source: "/no/such/source", Target: "/run/x"}}},
		"no such target":  {Path: "true", Mounts: []Mount{{Source: "/etc", Target: "/no/such/target"}}},
	} {
		if out, err := pod.Run(t.Context(), c); err == nil {
			t.Errorf("%s: it ran: %s", name, out)
		}
	}
}

func TestProcess(t *testing.T) {
	pod := New(t).Pod(t, "pod")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	script := func(text string) *Process { return pod.Start(t, Command{Path: "sh", Args: []string{"-c", text}}) }

	t.Run("a good end", func(t *testing.T) {
		if err := script("exit 0").Wait(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("a bad end", func(t *testing.T) {
		var exit *exec.ExitError
		if err := script("exit 3").Wait(ctx); !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("got %v; want exit code 3", err)
		}
	})
	t.Run("asked to stop", func(t *testing.T) {
		p := script("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
		if err := p.WaitForOutput(ctx, "ready"); err != nil {
			t.Fatal(err)
		}
		if err := p.Stop(ctx); err != nil || !strings.Contains(p.Stdout(), "bye") {
			t.Errorf("stopped with %v, output %q", err, p.Stdout())
		}
	})
	t.Run("killed with its children", func(t *testing.T) {
		p := script("sleep 1000 & echo $!; wait")
		if err := p.WaitForOutput(ctx, "\n"); err != nil {
			t.Fatal(err)
		}
		p.Kill()
		stat := "/proc/" + strings.TrimSpace(p.Stdout()) + "/stat"
		eventually(t, "the child is gone", func() bool {
			text, err := os.ReadFile(stat)
			return err != nil || strings.Contains(string(text), ") Z ") // nobody may reap it here
		})
	})
	t.Run("what it did not write", func(t *testing.T) {
		if err := script("echo this; echo that >&2").WaitForOutput(ctx, "other"); err == nil {
			t.Error("found what was not written")
		}
	})
	t.Run("another signal", func(t *testing.T) {
		p := script("trap 'echo hup; exit 0' HUP; echo ready; while :; do sleep 0.01; done")
		if err := p.WaitForOutput(ctx, "ready"); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.Signal(syscall.SIGHUP), p.WaitForOutput(ctx, "hup")); err != nil {
			t.Error(err)
		}
	})
}
