package podnet

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Command is a program to run in a pod, like a container: in the pod's network namespace, and in mounts of its own, in which
// /run, and so /var/run, is empty but for the mounts. All else it shares with the machine.
type Command struct {
	// Path is the program, as the process sees it, or a name to look up in the caller's PATH; Args are its arguments. A test's
	// temporary folder is closed to other users than root: mount a program from there.
	Path string
	Args []string
	// Env is its environment, nil for the caller's.
	Env []string
	Dir string
	// Stdin may be nil.
	Stdin io.Reader
	// UID and GID are the user and group it runs as. It belongs to no other group.
	UID, GID uint32
	// Mounts are made in their order.
	Mounts []Mount
	// Capabilities, when not nil, are the only ones that root has, unix.CAP_*.
	Capabilities []uintptr
	// NoNewPrivileges takes the effect from setuid programs.
	NoNewPrivileges bool
	// ReadOnlyRoot makes the file systems at / and /run read-only; what is mounted elsewhere stays as it is.
	ReadOnlyRoot bool
}

// Mount shows a file or a folder at another place. A target that does not exist is made where that leaves no trace: below
// /run and /var/run.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}

const runDir = "/run"

// find looks a mere name up.
func (c *Command) find() error {
	if strings.Contains(c.Path, "/") {
		return nil
	}
	path, err := exec.LookPath(c.Path)
	c.Path = path
	return err
}

// enclose gives the thread the mounts and the privileges of the command; the namespaces are left with the thread.
func (c *Command) enclose() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// Sources are opened first: the new /run may hide them.
	sources, err := openSources(c.Mounts)
	defer func() {
		for _, source := range sources {
			source.Close()
		}
	}()
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", runDir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mounting an empty %s: %w", runDir, err)
	}
	for i, mount := range c.Mounts {
		if err := mount.make(sources[i]); err != nil {
			return err
		}
	}
	if c.ReadOnlyRoot {
		for _, dir := range []string{runDir, "/"} {
			if err := readOnly(dir); err != nil {
				return err
			}
		}
	}
	return c.restrict()
}

func openSources(mounts []Mount) ([]*os.File, error) {
	var files []*os.File
	for _, mount := range mounts {
		file, err := os.OpenFile(mount.Source, unix.O_PATH, 0)
		if err != nil {
			return files, fmt.Errorf("mount at %s: %w", mount.Target, err)
		}
		files = append(files, file)
	}
	return files, nil
}

func (m Mount) make(source *os.File) error {
	target := m.Target
	if rest, below := strings.CutPrefix(target, "/var/run/"); below {
		target = filepath.Join(runDir, rest) // whether or not /var/run is a link here
	}
	if strings.HasPrefix(target, runDir+"/") {
		if err := m.makeTarget(target); err != nil {
			return fmt.Errorf("mount at %s: %w", m.Target, err)
		}
	}
	self := fmt.Sprintf("/proc/self/fd/%d", source.Fd())
	if err := unix.Mount(self, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s at %s (outside of %s it must exist): %w", m.Source, m.Target, runDir, err)
	}
	if m.ReadOnly {
		return readOnly(target)
	}
	return nil
}

func (m Mount) makeTarget(target string) error {
	info, err := os.Stat(m.Source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return os.WriteFile(target, nil, 0o644)
}

func readOnly(target string) error {
	if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("making %s read-only: %w", target, err)
	}
	return nil
}

// restrict takes privileges from what the thread starts.
func (c *Command) restrict() error {
	if c.Capabilities != nil {
		for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
			if slices.Contains(c.Capabilities, capability) {
				continue
			}
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
				return fmt.Errorf("dropping capability %d: %w", capability, err)
			}
		}
	}
	if c.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("setting no_new_privs: %w", err)
		}
	}
	return nil
}
