package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Run is the life of a node's first process. It returns only when it was not released or could not begin.
func Run(specFile string) error {
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("the starter is gone: %w", err)
	}
	data, err := os.ReadFile(specFile)
	if err != nil {
		return err
	}
	var spec Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return fmt.Errorf("reading %s: %w", specFile, err)
	}
	if err := furnish(spec); err != nil {
		return fmt.Errorf("furnishing node %s: %w", spec.Name, err)
	}
	return supervise(spec)
}

// furnish gives the node its mounts, its name and the right to route between its pods.
func furnish(spec Spec) error {
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		// Nothing that is mounted here is seen outside…
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE},
		// …but what kubelet mounts is seen in containers that want it.
		{"", "/", "", syscall.MS_REC | syscall.MS_SHARED},
		{"proc", "/proc", "proc", syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC},
		{"tmpfs", "/run", "tmpfs", syscall.MS_NOSUID | syscall.MS_NODEV},
		{spec.Var, "/var", "", syscall.MS_BIND},
	} {
		if m.target == "/var" && spec.Var == "" {
			continue
		}
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if spec.Var != "" {
		if err := populateVar(); err != nil {
			return err
		}
	}
	return errors.Join(
		syscall.Sethostname([]byte(spec.Name)),
		os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644),
	)
}

// populateVar makes what every program expects below /var.
func populateVar() error {
	for _, folder := range []string{"/var/log", "/var/lib", "/var/tmp"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", "/var/run"); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Chmod("/var/tmp", os.ModeSticky|0o777)
}

// open opens the log of a program.
func (p Program) open() (*os.File, error) {
	return os.OpenFile(filepath.Join("/var/log", p.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}
